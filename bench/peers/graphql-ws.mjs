// graphql-ws on ws, with graphql-js: subscriptions only.
import http from 'node:http'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { feed, PORT, topicOf } from './common.mjs'
import { schema } from './schema.mjs'
import { publish } from './topics.mjs'

const server = http.createServer((_, response) => response.writeHead(404).end())
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }))
server.listen(PORT, '127.0.0.1', 4096, () => feed((trade) => publish(topicOf(trade.mintAddress), trade)))
