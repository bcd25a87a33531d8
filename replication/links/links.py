"""Links to other nodes, by name: who they are, one for each, and what to do when one breaks.

Above this, a node is a name that messages are sent to and come from. Below, there are links that
anybody may open and that lead nobody knows where. What a Hello must say is in `handshake`, which
addresses are dialled is in `dialling`; here is what becomes of a link:

    greeting   its other end has not shown who it is, or has not said that it accepts this one
    contested  a node of that name and of another run is linked; that one is asked whether it lives
    up         messages go both ways
    retiring   another link to the same node is better: what is still on its way here is taken

Two links between the same two nodes: both ends keep the one that the smaller name dialled, and of
two dialled by one side the later. A node that comes back while its old link is not yet known to be
dead waits until the old one has not answered for a moment; if it does answer, there are two nodes
of one name, and the newcomer is refused.

Messages may be lost on all of this: what repairs that is above. Knows nothing of what messages mean.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from replication.config import Config
from replication.links import handshake
from replication.links.dialling import Target, Targets, may_dial
from replication.links.events import LinksEvents
from replication.links.handshake import REASONS, Greeting, Known, Refusal
from replication.links.sessions import CONTESTED, GREETING, RETIRING, UP, Endings, Session, Sessions
from replication.messages import Hello, Message, MessageError, Refused, decode, encode
from replication.runtime import Runtime
from replication.transport import Link, Transport

# Seconds between two questions to an end that has not answered.
ASK_SECONDS = 0.25
# Seconds and questions a linked node has to answer when another one comes with its name.
CONTEST_SECONDS, CONTEST_QUESTIONS = 1.0, 3
# Seconds for which frames on their way still come out of a link that another one replaces.
RETIRE_SECONDS = 1.0
# A link that lived that long was a success: what dialled it starts again from short delays.
STEADY_SECONDS = 1.0


class Links:
    """All links of one node. Call `start` once the transport listens, and `tick` ten times a second or more.

    `hello` says who this node is; `seeds` are addresses of others; `known` is what `on_known` told in
    earlier runs.
    """

    def __init__(
        self,
        transport: Transport,
        runtime: Runtime,
        hello: Hello,
        events: LinksEvents,
        limits: Config,
        seeds: Iterable[str] = (),
        known: Mapping[str, Known] | None = None,
    ) -> None:
        self._transport, self._events, self._limits = transport, events, limits
        self._now = runtime.time
        self._own = hello
        self._tag = handshake.cluster_tag(hello.cluster)
        self._targets = Targets(seeds, runtime.random, limits)
        self._known = dict(known or {})
        self._closed = False
        self._sessions = Sessions(hello.name)
        self._current = self._sessions.current
        self._serial = 0
        self._endings = Endings()
        self._encoded: tuple[Message | None, bytes] = (None, b"")

    # ---- what the node calls

    def start(self) -> None:
        """Begin: take links, dial the seeds."""
        self._transport.start(self)
        self.tick(self._now())

    def introduce(self, hello: Hello) -> None:
        """This node has another incarnation, store or address now. The linked are told, the refusing tried again."""
        self._own = hello
        for session in self._sessions:
            session.ask(hello, self._now())
        self._targets.hurry()

    def seek(self, addresses: Iterable[str]) -> None:
        """Dial these, too, from now on, and no longer those that this was told before."""
        self._targets.seek(addresses)

    @property
    def is_idle(self) -> bool:
        """Whether there is no link at all."""
        return not self._sessions

    def learn(self, name: str, address: str) -> None:
        """Where a node can be dialled, "" if nowhere; it is when something is to be sent to it."""
        if name != self._own.name:
            self._targets.learn(name, address)

    def forget(self, name: str) -> None:
        """That node has left for good: its name may be taken by another."""
        self._targets.forget(name)
        self._known.pop(name, None)

    def send(self, peer: str, message: Message) -> bool:
        """Whether the message was queued to that node; without a link it is dialled, and the message is dropped."""
        session = self._current.get(peer)
        if session is None:
            self._dial(self._targets.of(peer))
            return False
        if self._encoded[0] is not message:  # the same message often goes to many
            self._encoded = (message, encode(message))
        return session.send(self._encoded[1])

    def peers(self) -> tuple[str, ...]:
        """The names that are linked, in the order of names."""
        return tuple(sorted(self._current))

    def unmet(self) -> tuple[str, ...]:
        """The seeds where nobody was found yet."""
        return self._targets.unmet()

    def tick(self, now: float) -> None:
        """Time has passed: dial, ask again, give up."""
        for target in self._targets.due(now, self._current):
            self._dial(target)
        restless = self._sessions.restless
        for session in list(restless):
            if session in restless:  # what was done for one may have ended another
                self._look_at(session, now)

    def status(self) -> dict[str, Any]:
        """Traffic of each peer, why links ended by reason, and what is wrong at which address."""
        return {
            "peers": self._sessions.status(),
            **self._endings.status(),
            "troubles": {address: trouble._asdict() for address, trouble in sorted(self._targets.troubles().items())},
        }

    def close(self) -> None:
        """Close all; nothing is told afterwards."""
        self._closed = True
        self._sessions.clear()
        self._transport.close()

    # ---- what the transport tells

    def opened(self, link: Link) -> None:
        """A link is ready; the first thing on it is who this node is."""
        if self._closed:
            return
        if link.dialled:
            self._serial += 1
        session = Session(link, self._serial if link.dialled else 0, self._now())
        session.deadline = session.since + self._limits.link_handshake_timeout
        self._sessions.add(session)
        session.ask(self._own, session.since)
        self._events.on_link()

    def received(self, link: Link, frame: bytes) -> None:
        """A frame of the handshake, or a message."""
        session = self._sessions.at(link)
        if session is None:
            return
        session.traffic.frames_in += 1
        session.traffic.bytes_in += len(frame)
        try:
            if handshake.is_greeting(frame):
                self._greeted(session, handshake.read_greeting(frame))
            else:
                self._heard(session, frame)
        except MessageError as error:
            self._end(session, "undecodable", str(error))

    def closed(self, link: Link, reason: str, detail: str = "") -> None:
        """A link is gone by itself, or by the other end."""
        session = self._sessions.at(link)
        if session is not None:
            self._endings.count(reason, link.address, detail)
            self._gone(session, Refusal(reason, detail))
            if reason == "tls" and link.dialled:
                self._events.on_refused(link.address, reason, detail)

    def unreachable(self, address: str, reason: str, detail: str = "") -> None:
        """What was dialled did not become a link."""
        if self._closed:
            return
        self._endings.count(reason, address, detail)
        if (target := self._targets.at(address)) is not None:
            self._targets.failed(target, self._now(), Refusal(reason, detail), patient=reason == "tls")
        if reason == "tls":
            self._events.on_refused(address, reason, detail)

    def turned_away(self, address: str, reason: str, detail: str = "") -> None:
        """Somebody came and did not become a link."""
        self._endings.count(reason, address, detail)

    # ---- the handshake

    def _greeted(self, session: Session, greeting: Greeting) -> None:
        hello = greeting.message
        if isinstance(hello, Refused):
            self._refused(session, hello)
            return
        handshake.check_hello(hello)
        session.question = greeting.asks or session.question
        if session.theirs is not None:
            self._greeted_again(session, session.theirs, hello, greeting)
            return
        if hello.name == self._own.name and hello.boot == self._own.boot:
            self._met_itself(session)
            return
        refusal = handshake.judge(self._own, hello, session.link.certified, self._known)
        if refusal is not None:
            self._reject(session, hello.name, refusal)
            return
        self._sessions.identify(session, hello)
        if not session.link.dialled:
            session.serial = greeting.serial
        if self._sessions.rivals(session):
            self._contest(session)
            return
        self._accept(session, hello)
        if greeting.answers:
            self._rise(session)

    def _greeted_again(self, session: Session, theirs: Hello, hello: Hello, greeting: Greeting) -> None:
        if (hello.name, hello.boot, hello.store) != (theirs.name, theirs.boot, theirs.store):
            self._end(session, "incarnation", "the other end became somebody else")
            return
        if hello.incarnation > theirs.incarnation:
            session.theirs = hello
            if session.is_up:
                self._remember(hello)
        if session.state == CONTESTED:
            return
        if greeting.asks:
            session.answer(self._own)
        if greeting.answers:
            self._rise(session)
            if session.challenged and greeting.answers >= session.challenged:
                self._lives(session)

    def _accept(self, session: Session, hello: Hello) -> None:
        """The other end may be talked to. It is told so, and the link is up once it says the same."""
        version = handshake.common_version(self._own, hello)
        assert version is not None
        session.state, session.deadline = GREETING, self._now() + self._limits.link_handshake_timeout
        session.prefix, session.expected = handshake.header_of(self._own, version), handshake.header_of(hello, version)
        session.link.welcome()
        session.answer(self._own)
        for rival in self._sessions.rivals(session):  # each has its turn
            self._contest(rival)

    def _rise(self, session: Session) -> None:
        """Both ends have accepted each other."""
        hello = session.theirs
        if session.state != GREETING or hello is None:
            return
        session.state, session.since = UP, self._now()
        if (target := self._target_of(session)) is not None:
            self._targets.reached(target, hello.name)
        self._remember(hello)
        before = self._current.get(hello.name)
        self._sessions.choose(hello.name, session.since + RETIRE_SECONDS)
        if before is None:
            self._events.on_up(hello.name, hello)

    def _remember(self, hello: Hello) -> None:
        known = Known(hello.store, hello.incarnation)
        if hello.store and self._known.get(hello.name) != known:
            self._known[hello.name] = known
            self._events.on_known(hello.name, known)

    def _met_itself(self, session: Session) -> None:
        """The address leads back here: both ends of this link are this node's, and both are closed quietly."""
        if (target := self._target_of(session)) is not None:
            target.mine = True
        self._end(session, "itself", "this address is this node's own")

    def _reject(self, session: Session, name: str, refusal: Refusal) -> None:
        """Tell the other end why, and close; it may come again when it has changed."""
        address = session.link.address
        session.refuse(Refused(*refusal))
        self._endings.count(refusal.reason, address, refusal.detail)
        session.link.close(refusal.reason)
        self._gone(session, refusal, patient=True)
        self._events.on_rejected(name, address, *refusal)

    def _refused(self, session: Session, refused: Refused) -> None:
        """The other end does not want this node, and says why."""
        refusal = Refusal(refused.reason if refused.reason in REASONS else "other", refused.detail)
        self._endings.count(f"refused: {refusal.reason}", session.link.address, refusal.detail)
        session.link.close("refused")
        self._gone(session, refusal, patient=True)
        if session.link.dialled or session.theirs is not None:  # and not just anybody who came
            self._events.on_refused(session.link.address, *refusal)

    # ---- messages

    def _heard(self, session: Session, frame: bytes) -> None:
        if not session.expected:
            # Sent by an end that has accepted this one, and faster than what says so; or by no node.
            if handshake.has_tag(frame, self._tag):
                self._endings.early_frames += 1
            else:
                self._end(session, "undecodable", "the first frame is no greeting")
            return
        if not frame.startswith(session.expected):
            what = "a frame of another cluster, version or run of the node"
            self._end(session, handshake.difference(frame, session.expected), what)
            return
        message = decode(memoryview(frame)[session.header_bytes :])
        if isinstance(message, Hello | Refused):
            raise MessageError(f"a {type(message).__name__} among messages")
        # Whoever sends messages has accepted this node, if its saying so was lost.
        if session.state == GREETING:
            self._rise(session)
        self._events.on_message(session.name, message)

    # ---- two nodes of one name

    def _contest(self, newcomer: Session) -> None:
        """Its name is taken: whoever has it may show that it lives."""
        now = self._now()
        newcomer.state, newcomer.deadline = CONTESTED, now + CONTEST_SECONDS
        for rival in self._sessions.rivals(newcomer):
            if rival.state != CONTESTED:
                rival.ask(self._own, now)
                rival.challenged = rival.asked

    def _lives(self, session: Session) -> None:
        """It was asked because another node came with its name, and it has answered."""
        session.challenged = 0
        refusal = handshake.name_is_taken(session.name, session.link.address)
        for newcomer in self._sessions.rivals(session):
            if newcomer.state == CONTESTED:
                self._reject(newcomer, session.name, refusal)

    def _settle(self, newcomer: Session, now: float) -> None:
        """Let a newcomer in once whoever had its name is gone, or has not answered."""
        theirs, deadline = newcomer.theirs, newcomer.deadline
        assert theirs is not None and deadline is not None
        rivals = [rival for rival in self._sessions.rivals(newcomer) if rival.state != CONTESTED]
        # Time alone does not do: it also passes while this node itself is held up.
        if any(now < deadline or rival.asked < rival.challenged + CONTEST_QUESTIONS for rival in rivals):
            for rival in rivals:
                if now - rival.asked_at >= ASK_SECONDS:
                    rival.ask(self._own, now)
            return
        for rival in rivals:
            self._end(rival, "superseded", "another run of the node came, and this one did not answer")
        refusal = handshake.judge(self._own, theirs, newcomer.link.certified, self._known)
        if refusal is not None:
            self._reject(newcomer, theirs.name, refusal)
        else:
            self._accept(newcomer, theirs)

    # ---- time, and the end

    def _look_at(self, session: Session, now: float) -> None:
        """A session that is not simply up: ask again, or give up."""
        if session.state == CONTESTED:
            self._settle(session, now)
        elif session.deadline is not None and now >= session.deadline:
            if session.state == RETIRING:
                self._end(session, "duplicate", "another link to the same node is used")
            else:
                self._end(session, "handshake", "it did not show who it is in time")
        elif session.state == GREETING and now - session.asked_at >= ASK_SECONDS:
            session.ask(self._own, now)

    def _end(self, session: Session, reason: str, detail: str) -> None:
        self._endings.count(reason, session.link.address, detail)
        session.link.close(reason)
        self._gone(session, Refusal(reason, detail))

    def _gone(self, session: Session, trouble: Refusal, *, patient: bool = False) -> None:
        """A link is no more; what it was decides what follows."""
        self._sessions.remove(session)
        now, name = self._now(), session.name
        if session.is_up:
            self._sessions.choose(name, now + RETIRE_SECONDS)
        replaced = session.is_up and name in self._current
        if (target := self._target_of(session)) is not None:
            if replaced or (session.is_up and now - session.since >= STEADY_SECONDS):
                target.failures = 0
            self._targets.failed(target, now, None if replaced else trouble, patient=patient)
        if session.is_up and not replaced:
            self._events.on_down(name)

    def _target_of(self, session: Session) -> Target | None:
        return self._targets.at(session.link.address) if session.link.dialled else None

    def _dial(self, target: Target | None) -> None:
        if target is not None and not self._closed and may_dial(target, self._now()):
            target.busy = True
            self._transport.dial(target.address)
