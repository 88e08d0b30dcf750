// Apollo Client without a further link: queries over HTTP, subscriptions over multipart. Coming again is the application's.
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { fail, remember, say, URL, visit } from './driver.mjs'

const client = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: URL }) })

async function ask (query, variables) {
  return (await client.query({ query: gql(query), variables, fetchPolicy: 'network-only' })).data
}

function listen (query, given, took) {
  const variables = { ...given }
  let subscription
  let hasLeft = false

  function open () {
    let isConnected = false
    subscription = client.subscribe({ query: gql(query), variables: { ...variables } }).subscribe({
      next (result) {
        if (result.error) return say({ event: 'ended', name: result.error.name, errors: result.error.errors })
        if (!isConnected) say({ event: 'connected' })
        isConnected = true
        remember(variables, result)
        took(result.data)
      },
      error: fail,
      complete () { if (!hasLeft) setTimeout(open, 100 + Math.random() * 200) }
    })
  }

  open()
  return () => { hasLeft = true; subscription.unsubscribe() }
}

await visit(ask, listen)
client.stop()
