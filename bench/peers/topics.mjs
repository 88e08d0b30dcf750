// The publish and subscribe of graphql-ws' recipes: a queue for each subscriber, in memory.
const topics = new Map()

export function publish (topic, value) {
  for (const push of topics.get(topic) ?? []) push(value)
}

export async function * subscribe (topic) {
  const queue = []
  let wake = null
  const push = (value) => {
    queue.push(value)
    wake?.()
  }
  if (!topics.has(topic)) topics.set(topic, new Set())
  topics.get(topic).add(push)
  try {
    for (;;) {
      while (queue.length > 0) yield queue.shift()
      await new Promise((resolve) => { wake = resolve })
      wake = null
    }
  } finally {
    topics.get(topic).delete(push)
  }
}
