"""slixmpp as an actor: commands as JSON lines on stdin, answers and what it sees as JSON lines on stdout."""
import asyncio
import json
import sys

import slixmpp

SHOWS = ('away', 'dnd', 'chat', 'xa')


def say(line):
    sys.stdout.write(json.dumps(line) + '\n')
    sys.stdout.flush()


class Actor(slixmpp.ClientXMPP):
    def __init__(self, jid, password, certificate):
        super().__init__(jid, password)
        # The play decides who is accepted.
        self.auto_authorize = None
        self.auto_subscribe = False
        self.ca_certs = certificate
        self.started = asyncio.get_running_loop().create_future()
        self.add_event_handler('session_start', self.on_start)
        # It tries the mechanisms one after the other: only when none is left it has failed.
        self.add_event_handler('failed_all_auth', lambda _: self.fail('failed_all_auth'))
        self.add_event_handler('connection_failed', lambda why: self.fail(f'connection_failed: {why}'))
        self.add_event_handler('presence', self.on_presence)
        self.add_event_handler('message', self.on_message)

    def fail(self, why):
        if not self.started.done():
            self.started.set_exception(RuntimeError(why))

    async def on_start(self, _event):
        await self.get_roster()
        self.send_presence()
        if not self.started.done():
            self.started.set_result(self.boundjid.full)

    def on_presence(self, presence):
        show = presence['type'] if presence['type'] in SHOWS else ''
        say({'seen': {'what': 'presence', 'from': presence['from'].full, 'type': 'available' if show else presence['type'],
                      'show': show, 'status': presence['status']}})

    def on_message(self, message):
        if message.xml.find('{jabber:client}body') is not None:
            say({'seen': {'what': 'message', 'from': message['from'].full, 'body': message['body']}})


class Stage:
    def __init__(self):
        self.actor = None

    async def login(self, jid, password, host, port, security, certificate):
        self.actor = Actor(jid, password, certificate)
        self.actor.connect((host, port), use_ssl=security == 'direct', force_starttls=security == 'starttls',
                           disable_starttls=security == 'plain')
        return await self.actor.started

    async def roster(self):
        await self.actor.get_roster()
        roster = self.actor.client_roster
        return [{'jid': jid, 'subscription': roster[jid]['subscription']} for jid in roster.keys() if jid != self.actor.boundjid.bare]

    async def subscribe(self, jid):
        self.actor.send_presence_subscription(pto=jid, ptype='subscribe')

    async def accept(self, jid):
        self.actor.send_presence_subscription(pto=jid, ptype='subscribed')

    async def show(self, show, status):
        self.actor.send_presence(pshow=show, pstatus=status)

    async def send(self, to, body):
        self.actor.send_message(mto=to, mbody=body, mtype='chat')

    async def leave(self):
        await self.actor.disconnect()


async def main():
    stage = Stage()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        command = json.loads(line)
        try:
            value = await getattr(stage, command['do'])(*command['with'])
            say({'answer': command['id'], 'value': value})
        except Exception as error:  # the test wants to know, whatever it is
            say({'answer': command['id'], 'error': repr(error)})


asyncio.run(main())
