/* global Strophe, $pres, $msg, $iq, saw, window */
/** What runs in the browser: strophe.js with its own builders; `saw` is the test's door for what arrives. */
const text = (stanza, name) => stanza.getElementsByTagName(name)[0]?.textContent ?? ''

class Person {
  login(service, bare, password) {
    this.connection = new Strophe.Connection(service)
    return new Promise((resolve, reject) => {
      this.connection.connect(bare, password, (status, why) => {
        if (status === Strophe.Status.CONNECTED) resolve(this.#present())
        if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) reject(new Error(`status ${status}: ${why}`))
        if (status === Strophe.Status.DISCONNECTED) this.gone?.()
      })
    })
  }

  async #present() {
    this.connection.addHandler((stanza) => this.#saw(stanza), null, 'presence')
    this.connection.addHandler((stanza) => this.#saw(stanza), null, 'message')
    await this.roster()
    this.connection.send($pres())
    return this.connection.jid
  }

  /** A handler stays while it returns true. */
  #saw(stanza) {
    const from = stanza.getAttribute('from')
    if (stanza.tagName === 'message') {
      if (stanza.getElementsByTagName('body').length > 0) saw({ what: 'message', from, body: text(stanza, 'body') })
      return true
    }
    const type = stanza.getAttribute('type') ?? 'available'
    saw({ what: 'presence', from, type, show: text(stanza, 'show'), status: text(stanza, 'status') })
    return true
  }

  roster() {
    const ask = $iq({ type: 'get' }).c('query', { xmlns: 'jabber:iq:roster' })
    return new Promise((resolve, reject) => {
      this.connection.sendIQ(ask, (answer) => {
        const items = [...answer.getElementsByTagName('item')]
        resolve(items.map((item) => ({ jid: item.getAttribute('jid'), subscription: item.getAttribute('subscription') })))
      }, () => reject(new Error('no roster')), 20_000)
    })
  }

  presenceTo(to, type) {
    this.connection.send($pres({ to, type }))
  }

  setShow(show, status) {
    this.connection.send($pres().c('show').t(show).up().c('status').t(status))
  }

  send(to, body) {
    this.connection.send($msg({ to, type: 'chat' }).c('body').t(body))
  }

  leave() {
    return new Promise((resolve) => {
      this.gone = resolve
      this.connection.disconnect('leaving')
    })
  }
}

window.person = new Person()
