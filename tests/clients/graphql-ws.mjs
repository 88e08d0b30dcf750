// graphql-ws by itself, queries too.
import { fail, resuming, visit } from './driver.mjs'

async function ask (query, variables) {
  for await (const { data } of resuming.iterate({ query, variables })) return data
}

function listen (query, variables, took) {
  return resuming.subscribe({ query, variables }, { next: ({ data }) => took(data), error: fail, complete () {} })
}

await visit(ask, listen)
