// graphql-sse in its distinct connections mode, queries too. Going on after a cursor is the application's: the client
// sends the same request again, so what is written into its variables meanwhile goes with it.
import { createClient } from 'graphql-sse'
import { fail, remember, say, URL, visit } from './driver.mjs'

const client = createClient({
  url: URL,
  retryAttempts: Infinity,
  retry: () => new Promise(resolve => setTimeout(resolve, 100 + Math.random() * 200)),
  on: { connected: () => say({ event: 'connected' }) }
})

async function ask (query, variables) {
  for await (const { data } of client.iterate({ query, variables })) return data
}

function listen (query, given, took) {
  const variables = { ...given }
  return client.subscribe({ query, variables }, {
    next (result) {
      if (result.errors) return fail(result)
      remember(variables, result)
      took(result.data)
    },
    error: fail,
    complete () {}
  })
}

await visit(ask, listen)
