"""The feed as subscribers of one commitment see it: a prefix of what is stored, in which every record is that certain.

A feed moves its `sequence` in the same synchronous step in which it tells its subscribers: whoever joins at sequence S
gets exactly what comes after S. A record that is not certain enough yet holds back everything after it, so that feed
order is kept. Of a record whose slot is not known nobody can tell that it became final: it counts by what its source
said, and is passed over where that is less than what the feed promises.
"""

from collections import deque
from collections.abc import Mapping

from app.domain.events import Rate
from app.domain.programs import Commitment
from app.domain.records import Batch, Head, RecordKind, TokenRecord, Withdrawn
from app.live.keys import graduation_router, launch_router, lifecycle_router, trade_router
from app.live.moment import Moment
from app.live.steps import Step

MOST_WAITING = 100_000
"""Records that a feed holds back: some forty seconds of a market with 2,000 a second, where a slot is final in 13."""


class Feed:
    """Takes every batch and hands out what is certain enough; the usual batch at once."""

    def __init__(
        self,
        commitment: Commitment,
        sequence: int = 0,
        head: Head | None = None,
        rates: Mapping[str, Rate] | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.commitment = commitment
        self.sequence = sequence
        """Newest that has been handed out; all of it is in Postgres too."""
        self.head = head
        """Of the store, newer than what has been handed out where records wait."""
        self.rates: Mapping[str, Rate] = rates or {}
        """Newest by quote mint, fresh or not."""
        self.trades = trade_router()
        self.launches = launch_router()
        self.graduations = graduation_router()
        self.lifecycle = lifecycle_router()
        """Launches, completions, graduations and trades, in one order."""
        self.users = 0
        self.is_closed = False
        self.taken = sequence
        """Newest that has come, handed out or waiting."""
        self.waiting = 0
        """Records that wait, and steps without any."""
        self._most_waiting = most_waiting
        self._steps: deque[Step] = deque()
        self._step_of: dict[int, Step] = {}
        self._states: dict[str, TokenRecord] = {}

    @property
    def subscribers(self) -> int:
        """Memberships in its routers."""
        return len(self.trades) + len(self.launches) + len(self.graduations) + len(self.lifecycle)

    def take(self, batch: Batch, rates: Mapping[str, Rate]) -> None:
        """The next batch; what has come before is not handed out again. Synchronous, so that nobody joins meanwhile."""
        if self.is_closed:
            return
        self.head, self.rates = batch.head, rates
        self._confirm(batch)
        if batch.last_sequence > self.taken:
            step = Step(batch, self.taken, self.commitment)
            step.gone = self._withdraw(batch)
            self.taken = batch.last_sequence
            self._add(step)
        self._release()

    def rewind(self, sequence: int) -> None:
        """The store went back to `sequence`: what it stores from there is new."""
        while self._steps and self._steps[-1].last > sequence:
            self._forget(self._steps.pop())
        self.taken, self.sequence = min(self.taken, sequence), min(self.sequence, sequence)

    def close(self) -> None:
        """Ends every subscriber, and takes nothing any more."""
        self.is_closed = True
        self._steps.clear()
        self._step_of.clear()
        self._states.clear()
        for router in (self.trades, self.launches, self.graduations, self.lifecycle):
            router.close()

    def _add(self, step: Step) -> None:
        if not self._steps and not step.unsure:
            self._hand_out(step, step.tokens)
            return
        self._steps.append(step)
        self._step_of.update(dict.fromkeys(step.unsure, step))
        self._states.update(step.tokens)
        self.waiting += step.size
        if self.waiting > self._most_waiting:
            self.close()

    def _confirm(self, batch: Batch) -> None:
        """What waits and is certain now. A launch is, once anything later of its token is."""
        if not self._step_of:
            return
        certain = [token.launch_sequence for token in batch.tokens if token.as_of.commitment >= self.commitment]
        if self.commitment is Commitment.CONFIRMED:
            certain += batch.confirmed
        for sequence in certain:
            if sequence is not None and (step := self._step_of.pop(sequence, None)) is not None:
                del step.unsure[sequence]

    def _withdraw(self, batch: Batch) -> list[Withdrawn]:
        """Lets go of what waits; returns what was handed out, to be told in its turn."""
        if not batch.rolled_back:
            return []
        gone = {each.sequence for each in batch.rolled_back}
        for step in self._steps:
            step.drop(gone)
        for sequence in gone:
            self._step_of.pop(sequence, None)
        return [each for each in batch.rolled_back if each.sequence <= self.sequence]

    def _release(self) -> None:
        finalized = self.head.finalized.slot if self.head and self.head.finalized else 0
        while self._steps and self._steps[0].is_certain(finalized):
            step = self._steps.popleft()
            step.raise_to(self.commitment, finalized)
            self._hand_out(step, self._forget(step))

    def _forget(self, step: Step) -> Mapping[str, TokenRecord]:
        """Takes a step out of the books; returns its tokens as they are now, by mint."""
        self.waiting -= step.size
        for sequence in step.unsure:
            self._step_of.pop(sequence, None)
        newest = {mint: self._states.get(mint, token) for mint, token in step.tokens.items()}
        for mint, token in step.tokens.items():
            if newest[mint] is token:
                self._states.pop(mint, None)
        return newest

    def _hand_out(self, step: Step, tokens: Mapping[str, TokenRecord]) -> None:
        moment = Moment(step.last, self.head, self.rates, tokens)
        # Chosen before anybody is told, so that who joins meanwhile gets nothing that `sequence` says was before.
        trades = self.trades.choose(step.trades, moment)
        launches = self.launches.choose([tokens[mint] for mint in step.launches.values()], moment)
        graduations = self.graduations.choose(step.graduations, moment)
        lifecycle = self.lifecycle.choose(
            step.lifecycle(tokens, self.commitment) if len(self.lifecycle) else (), moment
        )
        self.sequence = step.last
        if step.gone:
            self._tell_gone(step.gone, moment)
        self.launches.tell(launches, moment)
        self.trades.tell(trades, moment)
        self.graduations.tell(graduations, moment)
        self.lifecycle.tell(lifecycle, moment)

    def _tell_gone(self, gone: list[Withdrawn], moment: Moment) -> None:
        of_kind: dict[RecordKind, list[Withdrawn]] = {}
        for each in gone:
            of_kind.setdefault(each.kind, []).append(each)
        self.trades.withdraw(of_kind.get(RecordKind.TRADE, ()), moment)
        self.launches.withdraw(of_kind.get(RecordKind.LAUNCH, ()), moment)
        self.graduations.withdraw(of_kind.get(RecordKind.GRADUATION, ()), moment)
        steps = (RecordKind.LAUNCH, RecordKind.COMPLETION, RecordKind.GRADUATION)
        self.lifecycle.withdraw([each for kind in steps for each in of_kind.get(kind, ())], moment)
