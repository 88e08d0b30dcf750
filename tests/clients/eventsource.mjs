// EventSource as browsers have it. Nothing here knows of cursors: it comes again, and goes on, by itself.
import { EventSource } from 'eventsource'
import { fail, say, URL, visit } from './driver.mjs'

function open (query, variables, took) {
  const source = new EventSource(`${URL}?${new URLSearchParams({ query, variables: JSON.stringify(variables) })}`)
  source.addEventListener('open', () => say({ event: 'connected' }))
  source.addEventListener('next', ({ data }) => {
    const result = JSON.parse(data)
    if (result.errors) fail(result)
    else took(result.data)
  })
  source.addEventListener('complete', () => source.close())
  source.addEventListener('error', error => { if (source.readyState === EventSource.CLOSED) fail(error) })
  return () => source.close()
}

await visit((query, variables) => new Promise(resolve => open(query, variables, resolve)), open)
