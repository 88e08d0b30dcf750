// urql: queries over HTTP, subscriptions over graphql-ws.
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core'
import { pipe, subscribe } from 'wonka'
import { fail, resuming, URL, visit } from './driver.mjs'

const client = new Client({
  url: URL,
  exchanges: [
    cacheExchange,
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: request => ({
        subscribe: sink => ({ unsubscribe: resuming.subscribe({ ...request, query: request.query || '' }, sink) })
      })
    })
  ]
})

async function ask (query, variables) {
  const { data, error } = await client.query(query, variables, { requestPolicy: 'network-only' }).toPromise()
  if (error) throw error
  return data
}

function listen (query, variables, took) {
  const events = client.subscription(query, variables)
  return pipe(events, subscribe(({ data, error }) => error ? fail(error) : took(data))).unsubscribe
}

await visit(ask, listen)
