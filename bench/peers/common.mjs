// What the Node peers share: Curvecast's own schema as far as the benches ask, rows from memory or Postgres, a feed.
//   node <peer>.mjs PORT [DATABASE_URL]
// Events come as one JSON object a line over TCP on PORT + 1; their fields are those of `Trade` below, and `mintAddress`.
import net from 'node:net'
import DataLoader from 'dataloader'
import pg from 'pg'

export const PORT = Number(process.argv[2])
const DATABASE = process.argv[3]
const COLUMNS = 'mint, symbol, name, decimals, created_at, creator'
const MEMORY_TOKENS = 50

export const SDL = `
  enum TradeSide { BUY SELL }
  type Wallet { address: String! }
  type Token { mintAddress: String! symbol: String name: String decimals: Int! createdAt: String! creator: Wallet }
  type TokenConnection { nodes: [Token!]! }
  type Trade {
    signature: String! mintAddress: String! side: TradeSide! priceSol: Float quoteAmount: String! tokenAmount: String!
    blockTime: String! traderAddress: String! trader: Wallet!
  }
  type Query { token(mintAddress: String!): Token tokens(first: Int = 50): TokenConnection! }
  type Subscription { trades(mintAddress: String!): Trade! }
`

function toToken (row) {
  return {
    mintAddress: row.mint,
    symbol: row.symbol,
    name: row.name,
    decimals: row.decimals,
    createdAt: row.created_at.toISOString(),
    creator: row.creator && { address: row.creator }
  }
}

function inMemory () {
  const rows = Array.from({ length: MEMORY_TOKENS }, (_, number) => ({
    mint: `Mint${String(number).padStart(40, '0')}`,
    symbol: `TOK${number}`,
    name: `Token number ${number}`,
    decimals: 6,
    created_at: new Date(1760000000000 + number),
    creator: '9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM'
  }))
  const byMint = new Map(rows.map((row) => [row.mint, row]))
  return { load: async (mint) => byMint.get(mint), newest: async (count) => rows.slice(0, count) }
}

// As Curvecast does it: the rows of one operation are read together, none is kept for the next.
function inPostgres () {
  const pool = new pg.Pool({ connectionString: DATABASE, max: 10 })
  const named = (name, text, values) => pool.query({ name, text, values }).then((result) => result.rows)
  const read = async (mints) => {
    const rows = await named('some', `SELECT ${COLUMNS} FROM tokens WHERE mint = ANY($1)`, [mints])
    const byMint = new Map(rows.map((row) => [row.mint, row]))
    return mints.map((mint) => byMint.get(mint))
  }
  return {
    loader: () => new DataLoader(read),
    newest: (count) => named('newest', `SELECT ${COLUMNS} FROM tokens ORDER BY created_at DESC, id DESC LIMIT $1`, [count])
  }
}

const store = DATABASE ? inPostgres() : inMemory()
export const newContext = () => ({ tokens: store.loader ? store.loader() : store })

export const Query = {
  token: async (_, { mintAddress }, { tokens }) => {
    const row = await tokens.load(mintAddress)
    return row && toToken(row)
  },
  tokens: async (_, { first }) => ({ nodes: (await store.newest(first)).map(toToken) })
}

export const topicOf = (mintAddress) => `trades:${mintAddress}`

// Calls `onTrade` with each event of the feed.
export function feed (onTrade) {
  net.createServer((socket) => {
    let pending = ''
    socket.setEncoding('utf8')
    socket.on('error', () => {})
    socket.on('data', (text) => {
      const lines = (pending + text).split('\n')
      pending = lines.pop()
      for (const line of lines) onTrade(JSON.parse(line))
    })
  }).listen(PORT + 1, '127.0.0.1')
}
