// One visit to a market, whatever the client: asks, subscribes, survives the server's restarts, leaves when told to.
//   node <client>.mjs URL MINT
// Says what happens in one JSON object a line. Any line on stdin means: leave the subscriptions, ask once more, end.
import { once } from 'node:events'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

export const [URL, MINT] = process.argv.slice(2)
const SOCKET_URL = URL.replace('http', 'ws')
export const TOKEN = 'query Token($mint: String!) { token(mintAddress: $mint) { id mintAddress } }'
export const TRADES = `subscription Trades($mint: String!, $after: String) {
  trades(mintAddress: $mint, after: $after) { id signature }
}`
export const TRADE_STREAM = `subscription TradeStream($filter: TradeFilter, $start: StreamStart) {
  tradeStream(filter: $filter, start: $start) { cursor phase trades { id } }
}`
export const BUYS = { side: 'BUY' }

export function say (event) {
  process.stdout.write(JSON.stringify(event) + '\n')
}

// 1012 and 1013 are retried without being asked; that nobody answers while a server starts is not, hence `shouldRetry`.
const client = createClient({
  url: SOCKET_URL,
  webSocketImpl: WebSocket,
  shouldRetry: () => true,
  retryAttempts: Infinity,
  retryWait: () => new Promise(resolve => setTimeout(resolve, 100 + Math.random() * 200)),
  on: {
    connected: () => say({ event: 'connected' }),
    closed: ({ code, reason }) => say({ event: 'closed', code, reason })
  }
})

// Where to go on after a result.
export function remember (variables, { data, extensions }) {
  if (extensions?.cursor) variables.after = extensions.cursor
  if (data?.tradeStream) variables.start = { cursor: data.tradeStream.cursor }
}

// A client that retries sends the same payload again: what is written into its variables meanwhile goes with it.
export const resuming = {
  ...client,
  subscribe (payload, sink) {
    const variables = { ...payload.variables }
    return client.subscribe({ ...payload, variables }, {
      next (result) {
        remember(variables, result)
        sink.next(result)
      },
      error: error => sink.error(error),
      complete: () => sink.complete()
    })
  }
}

// `ask(document, variables)` resolves to data; `listen(document, variables, took)` gives data to `took` each time, and
// returns what ends it.
export async function visit (ask, listen) {
  const variables = { mint: MINT }
  say({ event: 'answer', data: await ask(TOKEN, variables) })
  const leave = [
    listen(TRADES, { ...variables, after: null }, data => say({ event: 'trades', ids: [data.trades.id] })),
    listen(TRADE_STREAM, { filter: BUYS, start: null }, ({ tradeStream: { trades, phase } }) =>
      say({ event: 'tradeStream', phase, ids: trades.map(trade => trade.id) }))
  ]
  await once(process.stdin, 'data')
  leave.forEach(end => end())
  say({ event: 'left' })
  say({ event: 'answer', data: await ask(TOKEN, variables) })
  process.stdin.destroy()
}

export function fail (error) {
  say({ event: 'error', error: String(error?.message ?? JSON.stringify(error)) })
  process.exitCode = 1
}
