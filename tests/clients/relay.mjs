// Relay: queries over HTTP, subscriptions over graphql-ws. Its compiler wrote `__generated__`.
import relay from 'relay-runtime'
import { fail, resuming, TOKEN, TRADE_STREAM, TRADES, URL, visit } from './driver.mjs'
import token from './__generated__/Token.graphql.js'
import tradeStream from './__generated__/TradeStream.graphql.js'
import trades from './__generated__/Trades.graphql.js'

const { Environment, fetchQuery, Network, Observable, RecordSource, requestSubscription, Store } = relay
const COMPILED = new Map([[TOKEN, token], [TRADES, trades], [TRADE_STREAM, tradeStream]])

async function fetched ({ text: query }, variables) {
  const headers = { 'content-type': 'application/json' }
  return (await fetch(URL, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })).json()
}

function subscribed ({ name: operationName, text: query }, variables) {
  return Observable.create(sink => resuming.subscribe({ operationName, query, variables }, sink))
}

const environment = new Environment({
  network: Network.create(fetched, subscribed),
  store: new Store(new RecordSource())
})

function ask (query, variables) {
  return fetchQuery(environment, COMPILED.get(query), variables, { fetchPolicy: 'network-only' }).toPromise()
}

function listen (query, variables, took) {
  const subscription = COMPILED.get(query)
  return requestSubscription(environment, { subscription, variables, onNext: took, onError: fail }).dispose
}

await visit(ask, listen)
