"""slixmpp as an actor: commands as JSON lines on stdin, answers and what it sees as JSON lines on stdout."""
import asyncio
import json
import sys

import slixmpp
from slixmpp.plugins.xep_0198.stanza import Resume

SHOWS = ('away', 'dnd', 'chat', 'xa')


def say(line):
    sys.stdout.write(json.dumps(line) + '\n')
    sys.stdout.flush()


class Actor(slixmpp.ClientXMPP):
    def __init__(self, jid, password, certificate, resumes):
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
        self.live = asyncio.Event()
        self.leaving = False
        self.resumes = resumes
        if resumes:
            self.resume_by_itself()

    def resume_by_itself(self):
        self.register_plugin('xep_0198')
        self.kept = None
        sm = self['xep_0198']
        library = sm._handle_outgoing

        # What is not acknowledged slixmpp 1.8.3 forgets when it says <resume/>, so that it sends nothing again. And what waits to
        # be sent when the connection goes it drops without having kept it: that is given to it again (`Stage.send`).
        def outgoing(stanza):
            if isinstance(stanza, Resume):
                sm.enabled_out = True
                return stanza
            if sm.enabled_out:
                self.kept = stanza
            return library(stanza)

        self.del_filter('out_sync', library)
        self.add_filter('out_sync', outgoing)
        self.add_event_handler('disconnected', self.on_disconnected)
        self.add_event_handler('session_resumed', self.on_resumed)
        self.add_event_handler('sm_failed', lambda _: say({'line': 'failed'}))

    # The library does not reconnect by itself. With what was given to it while there was no session it would overtake what it
    # sends again: nothing is, until the session is back.
    def on_disconnected(self, _event):
        self.live.clear()
        say({'line': 'down'})
        if not self.leaving:
            asyncio.get_running_loop().call_soon(self.reach)

    def on_resumed(self, _event):
        self.live.set()
        say({'line': 'resumed'})

    def reach(self):
        self.connect(*self.way)

    def fail(self, why):
        if not self.started.done():
            self.started.set_exception(RuntimeError(why))

    async def on_start(self, _event):
        await self.get_roster()
        self.send_presence()
        if not self.started.done():
            self.live.set()
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

    async def login(self, jid, password, host, port, security, certificate, resumes):
        self.actor = Actor(jid, password, certificate, resumes)
        self.actor.way = ((host, port), security == 'direct', security == 'starttls', security == 'plain')
        self.actor.reach()
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

    async def mechanism(self):
        return self.actor['feature_mechanisms'].mech.name

    async def send(self, to, body):
        actor = self.actor
        message = actor.make_message(mto=to, mbody=body, mtype='chat')
        if not actor.resumes:
            message.send()
            return
        while actor.kept is not message:
            await actor.live.wait()
            message.send()
            await actor.waiting_queue.join()

    async def change_networks(self):
        self.actor.abort()

    async def leave(self):
        self.actor.leaving = True
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
