// Apollo Client: queries over HTTP, subscriptions over graphql-ws.
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { OperationTypeNode } from 'graphql'
import { fail, resuming, URL, visit } from './driver.mjs'

const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(resuming),
    new HttpLink({ uri: URL })
  )
})

async function ask (query, variables) {
  return (await client.query({ query: gql(query), variables, fetchPolicy: 'network-only' })).data
}

function listen (query, variables, took) {
  const events = client.subscribe({ query: gql(query), variables })
  const subscription = events.subscribe({ next: ({ data, error }) => error ? fail(error) : took(data), error: fail })
  return () => subscription.unsubscribe()
}

await visit(ask, listen)
client.stop()
