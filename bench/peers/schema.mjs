// The executable schema of the peers that use graphql-js as it is.
import { makeExecutableSchema } from '@graphql-tools/schema'
import { Query, SDL, topicOf } from './common.mjs'
import { subscribe } from './topics.mjs'

export const schema = makeExecutableSchema({
  typeDefs: SDL,
  resolvers: {
    Query,
    Subscription: {
      trades: { subscribe: (_, { mintAddress }) => subscribe(topicOf(mintAddress)), resolve: (trade) => trade }
    }
  }
})
