// Mercurius on Fastify, with its just-in-time compiler: queries and subscriptions.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { feed, newContext, PORT, Query, SDL, topicOf } from './common.mjs'

const app = Fastify({ logger: false })
app.register(mercurius, {
  schema: SDL,
  jit: 1,
  subscription: true,
  context: newContext,
  resolvers: {
    Query,
    Subscription: {
      trades: {
        subscribe: (_, { mintAddress }, { pubsub }) => pubsub.subscribe(topicOf(mintAddress)),
        resolve: (trade) => trade
      }
    }
  }
})
await app.listen({ port: PORT, host: '127.0.0.1', backlog: 4096 })
feed((trade) => app.graphql.pubsub.publish({ topic: topicOf(trade.mintAddress), payload: trade }))
