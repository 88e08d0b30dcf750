// Apollo Server on Express, with graphql-ws for subscriptions, as its documentation sets them up.
import http from 'node:http'
import { ApolloServer } from '@apollo/server'
import { expressMiddleware } from '@as-integrations/express5'
import express from 'express'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { feed, newContext, PORT, topicOf } from './common.mjs'
import { schema } from './schema.mjs'
import { publish } from './topics.mjs'

const app = express()
const server = http.createServer(app)
const apollo = new ApolloServer({ schema, csrfPrevention: false })
await apollo.start()
app.use('/graphql', express.json(), expressMiddleware(apollo, { context: async () => newContext() }))
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }))
server.listen(PORT, '127.0.0.1', 4096, () => feed((trade) => publish(topicOf(trade.mintAddress), trade)))
