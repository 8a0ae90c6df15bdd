"""The trigger: one event, whatever happens; shared requests; nothing left behind."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from airflow.sdk import Connection
from airflow.triggers.base import TriggerEvent

from airflow_provider_3commas.api.errors import (
    AuthenticationError,
    ConnectionFailed,
    OutcomeUnknown,
    PermissionDenied,
    RateLimitExceeded,
)
from airflow_provider_3commas.budget.gates import WaitForBudget
from airflow_provider_3commas.settlement import poller
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import Progress, as_json, new_progress
from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger
from tests.fakes import ACCOUNT, SETTLED, START, UNSOLD, ScriptedClient, View, row
from tests.triggers.virtual import drive, pairs


def at(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


def trigger(account_id: int = ACCOUNT, **arguments) -> BalancesSettledTrigger:
    return BalancesSettledTrigger(account_id, **{"deadline": at(3600), "timeout": 3600, **arguments})


async def events(one: BalancesSettledTrigger) -> list[dict]:
    found = [event async for event in one.run()]
    assert all(isinstance(event, TriggerEvent) for event in found)
    return [json.loads(json.dumps(event.payload)) for event in found]


async def event(one: BalancesSettledTrigger) -> dict:
    (only,) = await events(one)
    return only


def nothing_is_left() -> bool:
    return not any(state._connections for state in poller._loops.values())


class TestSerialization:
    def test_survives_the_database(self):
        original = trigger(
            criteria=as_json(Criteria.parse(target="USD", dust_btc="0.001", ignore_currencies=["LUNA"])),
            progress=as_json(new_progress(START)),
            poll_interval=5.5,
            exponential_backoff=True,
            max_wait=60.0,
        )
        path, arguments = original.serialize()
        assert path == "airflow_provider_3commas.triggers.balances.BalancesSettledTrigger"
        again = BalancesSettledTrigger(**json.loads(json.dumps(arguments)))
        assert again.serialize() == (path, arguments)
        assert msgspec.convert(again.criteria, Criteria).target == "USD"

    def test_holds_no_secret(self):
        _, arguments = trigger().serialize()
        assert set(arguments) == {
            "account_id",
            "threecommas_conn_id",
            "criteria",
            "progress",
            "poll_interval",
            "deadline",
            "timeout",
            "exponential_backoff",
            "max_wait",
        }

    def test_every_argument_but_the_account_has_a_default(self, clock, connected):
        connected(ScriptedClient((0, SETTLED)))
        assert drive(clock, event(BalancesSettledTrigger(account_id=ACCOUNT)))["status"] == "settled"

    def test_arguments_of_other_versions_are_read(self, clock, connected):
        connected(ScriptedClient((0, SETTLED)))
        known = trigger(criteria={"target": "BTC", "later": 1}, progress={"started_at": START, "later": 1})
        assert drive(clock, event(known))["status"] == "settled"


class TestEvent:
    def test_settled_carries_the_result(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (100, SETTLED))
        connected(exchange)
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "settled"
        assert fired["result"]["target_amount"] == "1.09"
        assert fired["result"]["settled_at"]
        assert fired["history"][0][1] == "0.09"
        assert exchange.counts() == {"load_balances": 3, "get_balances": 3, "get_active_entities": 1}
        assert nothing_is_left()
        assert exchange.closed == 1

    def test_carries_the_facts(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD))
        connected(exchange)
        fired = drive(clock, event(trigger(criteria=as_json(Criteria.parse(dust_btc="0.01")))))
        assert fired["status"] == "stalled"
        assert fired["facts"]["criteria"]["dust_btc"] == "0.01"
        assert fired["facts"]["requests"] == len(exchange.requests)
        assert fired["facts"]["result"]["residual"] == fired["result"]["residual"]

    def test_requests_of_a_wait_that_an_older_version_began_are_unknown(self, clock, connected):
        connected(ScriptedClient((0, SETTLED)))
        assert (
            drive(clock, event(trigger(progress={"started_at": START - 60, "reads": 1})))["facts"]["requests"] is None
        )

    def test_goes_on_from_what_the_sensor_saw(self, clock, connected):
        connected(ScriptedClient((0, SETTLED)))
        seen = Progress(started_at=START - 60, reads=1, stable=1, target_amount="1.09", unchanged_since=START)
        fired = drive(clock, event(trigger(progress=as_json(seen))))
        assert fired["result"]["reads"] == 2
        assert fired["result"]["waited_seconds"] > 119

    def test_stall_names_what_is_left(self, clock, connected):
        connected(ScriptedClient((0, UNSOLD)))
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "stalled"
        assert "2 ETH (0.09 BTC)" in fired["message"]

    def test_timeout_names_what_is_left_and_comes_in_time(self, clock, connected):
        connected(ScriptedClient((0, UNSOLD)))
        fired = drive(clock, event(trigger(deadline=at(150), timeout=150)))
        assert fired["status"] == "timeout"
        assert "within 150 s: unsold: 2 ETH (0.09 BTC)" in fired["message"]
        assert 150 <= _elapsed() < 151

    def test_last_poll_is_at_the_deadline(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (174, SETTLED))
        connected(exchange)
        criteria = as_json(Criteria.parse(stable_reads=1))
        fired = drive(clock, event(trigger(deadline=at(175), criteria=criteria)))
        assert fired["status"] == "settled"

    def test_locked_account_fails_at_once(self, clock, connected):
        exchange = ScriptedClient((0, View([], account={"is_locked": True})))
        connected(exchange)
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "failed"
        assert exchange.counts() == {"load_balances": 1}

    @pytest.mark.parametrize(
        "broken", [{"account_id": "summary"}, {"criteria": {"target": "EUR"}}, {"deadline": "soon"}]
    )
    def test_nonsense_is_an_event_too(self, clock, connected, broken):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)
        fired = drive(clock, event(trigger(**broken)))
        assert fired["status"] == "error"
        assert not exchange.requests

    def test_a_defect_is_an_event_without_its_text(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        exchange.get_balances = lambda _: 1 / 0
        connected(exchange)
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "error"
        assert "ZeroDivisionError" in fired["message"]
        assert "division by" not in json.dumps(fired)
        assert nothing_is_left()

    def test_defect_reaches_all_who_wait(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        exchange.get_balances = lambda _: 1 / 0
        connected(exchange)

        async def both() -> list[dict]:
            return await asyncio.gather(event(trigger()), event(trigger()))

        assert [fired["status"] for fired in drive(clock, both())] == ["error", "error"]


def _elapsed() -> float:
    return time.time() - START


class TestResumption:
    def test_comes_only_when_the_scheduler_can_know_of_the_deferral(self, clock, connected):
        connected(ScriptedClient((0, View([], account={"is_locked": True}))))
        quick = trigger(poll_interval=1)
        quick.task_instance = SimpleNamespace(task_id="settled")
        assert drive(clock, event(quick))["status"] == "failed"
        assert _elapsed() >= 10

    def test_needs_no_scheduler_in_dag_test(self, clock, connected):
        connected(ScriptedClient((0, View([], account={"is_locked": True}))))
        drive(clock, event(trigger(poll_interval=1)))
        assert _elapsed() < 2


class TestPolls:
    def test_first_one_comes_an_interval_later(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)
        drive(clock, event(trigger(poll_interval=60)))
        first, second = exchange.polls()
        assert 60 <= first <= 75
        assert 60 <= second - first <= 66

    def test_accounts_do_not_beat_in_step(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)

        async def fleet() -> None:
            await asyncio.gather(*(event(trigger(ACCOUNT + number)) for number in range(50)))

        drive(clock, fleet())
        firsts = sorted(exchange.polls(ACCOUNT + number)[0] for number in range(50))
        assert max(pairs(firsts)) < 1
        assert len({round(first, 1) for first in firsts}) > 40

    def test_interval_can_grow(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD))
        connected(exchange)
        patient = trigger(poll_interval=10, exponential_backoff=True, max_wait=45)
        drive(clock, event(patient))
        gaps = [round(gap) for gap in pairs(exchange.polls())]
        assert gaps[0] < 12
        assert 38 < gaps[2] < 45
        assert max(gaps) < 50

    @pytest.mark.parametrize(
        "error",
        [RateLimitExceeded("429", retry_after=300), PermissionDenied("403"), OutcomeUnknown("500")],
        ids=["429", "403", "500"],
    )
    def test_refusals_are_met_at_most_once_an_interval(self, clock, connected, error):
        exchange = ScriptedClient((0, error))
        connected(exchange)
        fired = drive(clock, event(trigger(poll_interval=60)))
        assert fired["status"] in ("failed", "timeout")
        assert all(gap >= 60 for gap in pairs(exchange.polls()))

    def test_failures_are_put_up_with(self, clock, connected):
        connected(ScriptedClient((0, OutcomeUnknown("502")), (590, SETTLED)))
        assert drive(clock, event(trigger()))["status"] == "settled"

    def test_too_many_failures_are_not(self, clock, connected):
        exchange = ScriptedClient((0, OutcomeUnknown("answered 502", status_code=502)))
        connected(exchange)
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "failed"
        assert "11 times in a row; the last time: answered 502" in fired["message"]
        assert fired["details"]["status_code"] == 502
        assert len(exchange.polls()) == 11

    def test_retry_after_is_honoured_by_all_accounts_of_the_key(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (60, RateLimitExceeded("429", retry_after=500)), (560, SETTLED))
        connected(exchange)

        async def fleet() -> list[dict]:
            return await asyncio.gather(*(event(trigger(ACCOUNT + number)) for number in range(10)))

        assert {fired["status"] for fired in drive(clock, fleet())} == {"settled"}
        limited, *others = exchange.polls()
        assert min(others) >= limited + 500

    def test_retry_after_is_cut_by_the_timeout(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (100, RateLimitExceeded("429", retry_after=3000)))
        connected(exchange)
        fired = drive(clock, event(trigger(deadline=at(400), timeout=400)))
        assert fired["status"] == "timeout"
        assert "2 ETH" in fired["message"]
        assert "The last reads failed (1): 429" in fired["message"]
        assert 400 <= _elapsed() < 401
        assert len(exchange.polls()) == 2

    def test_retry_after_that_the_sensor_met_is_honoured(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)
        told = msgspec.structs.replace(new_progress(START), failures=1, not_before=START + 300)
        drive(clock, event(trigger(progress=as_json(told))))
        assert exchange.polls()[0] >= 300

    def test_waits_for_the_budget_without_asking_anew(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)
        answer, refused = exchange.get_balances, []

        def get_balances(account_id: int) -> list:
            if len(refused) < 2:
                refused.append(_elapsed())
                raise WaitForBudget(SimpleNamespace(wait=25.0, reason="poll", ticket=None))
            return answer(account_id)

        exchange.get_balances = get_balances
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "settled"
        assert refused[1] - refused[0] == pytest.approx(25, abs=0.1)
        assert exchange.counts()["load_balances"] == 2
        assert fired["facts"]["requests"] == len(exchange.requests)

    def test_wait_for_the_budget_is_cut_by_the_timeout(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)

        def load_balances(account_id: int) -> dict:
            raise WaitForBudget(SimpleNamespace(wait=25.0, reason="poll", ticket=None))

        exchange.load_balances = load_balances
        assert drive(clock, event(trigger(deadline=at(100), timeout=100)))["status"] == "timeout"
        assert _elapsed() < 111


class TestSharing:
    def test_waits_on_one_account_share_every_answer(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (500, SETTLED))
        asked = connected(exchange)

        async def late(seconds: float, account_id: int) -> dict:
            await asyncio.sleep(seconds)
            return await event(trigger(account_id))

        async def fleet() -> list[dict]:
            waits = [late(number * 0.37, ACCOUNT + number % 10) for number in range(1000)]
            return await asyncio.gather(*waits)

        fired = drive(clock, fleet())
        assert {one["status"] for one in fired} == {"settled"}
        assert asked == ["threecommas_default"]
        assert exchange.closed == 1
        for number in range(10):
            assert all(gap >= 60 for gap in pairs(exchange.polls(ACCOUNT + number)))
        assert nothing_is_left()

    def test_a_hundred_waits_on_an_account_send_what_one_does(self, clock, connected):
        def sent(waits: int) -> list[tuple[float, str, int]]:
            clock.move_to(START)
            exchange = ScriptedClient((0, UNSOLD), (400, SETTLED))
            connected(exchange)

            async def fleet() -> None:
                await asyncio.gather(*(event(trigger()) for _ in range(waits)))

            drive(clock, fleet())
            return [(round(at, 1), name, account_id) for at, name, account_id in exchange.requests]

        alone = sent(1)
        assert sent(100) == alone
        polls = sum(name == "load_balances" for _, name, _ in alone)
        # A poll is a refresh and the rows; what is running is asked before the account counts as settled, and every two
        # minutes while nothing moves.
        assert len(alone) == 2 * polls + 1 + 2

    def test_each_wait_counts_the_requests_of_the_polls_it_took_part_in(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (400, SETTLED))
        connected(exchange)

        async def late(seconds: float) -> dict:
            await asyncio.sleep(seconds)
            return await event(trigger())

        async def both() -> list[dict]:
            return await asyncio.gather(late(0), late(300))

        first, second = drive(clock, both())
        assert first["facts"]["requests"] == len(exchange.requests)
        assert second["facts"]["requests"] == len([at for at, _, _ in exchange.requests if at > 320])
        assert 0 < second["facts"]["requests"] < first["facts"]["requests"]

    def test_each_wait_keeps_its_own_criteria(self, clock, connected):
        view = View([row("BTC", "1.09"), row("DOT", "7", "0.2")])
        connected(ScriptedClient((0, view)))

        async def both() -> list[dict]:
            ignores = as_json(Criteria.parse(ignore_currencies=["DOT"]))
            return await asyncio.gather(event(trigger()), event(trigger(criteria=ignores)))

        assert [fired["status"] for fired in drive(clock, both())] == ["stalled", "settled"]

    def test_each_wait_keeps_its_own_interval(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        connected(exchange)

        async def both() -> list[dict]:
            eager = as_json(Criteria.parse(stable_reads=40))
            return await asyncio.gather(
                event(trigger(poll_interval=5, criteria=eager)), event(trigger(poll_interval=60))
            )

        quick, slow = drive(clock, both())
        assert slow["result"]["reads"] == 2
        assert slow["result"]["waited_seconds"] > 115
        assert quick["result"]["reads"] == 40

    def test_connections_are_kept_apart(self, clock, connected):
        asked = connected(ScriptedClient((0, SETTLED)))

        async def both() -> None:
            await asyncio.gather(event(trigger()), event(trigger(threecommas_conn_id="paper")))

        drive(clock, both())
        assert sorted(asked) == ["paper", "threecommas_default"]

    def test_a_cancelled_wait_leaves_the_others_alone(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD), (300, SETTLED))
        connected(exchange)

        async def both() -> dict:
            killed, kept = (asyncio.ensure_future(event(trigger())) for _ in range(2))
            await asyncio.sleep(100)
            killed.cancel()
            return await kept

        assert drive(clock, both())["status"] == "settled"
        assert nothing_is_left()

    def test_last_cancelled_wait_stops_the_polls(self, clock, connected):
        exchange = ScriptedClient((0, UNSOLD))
        connected(exchange)

        async def killed() -> None:
            wait = asyncio.ensure_future(event(trigger()))
            await asyncio.sleep(100)
            wait.cancel()
            await asyncio.sleep(1000)

        drive(clock, killed())
        assert len(exchange.polls()) == 1
        assert exchange.closed == 1
        assert nothing_is_left()

    def test_a_later_wait_starts_over(self, clock, connected):
        exchange = ScriptedClient((0, SETTLED))
        asked = connected(exchange)

        async def one_after_the_other() -> None:
            await event(trigger())
            await event(trigger())

        drive(clock, one_after_the_other())
        assert len(asked) == 2
        assert exchange.closed == 2


class TestConnection:
    def test_is_kept_open_however_many_accounts_are_polled(self, exchange_server, monkeypatch):
        extra = json.dumps({"requests_per_minute": 10_000, "budget_url": "memory://"})
        connection = Connection(
            conn_id="real",
            conn_type="threecommas",
            host=exchange_server.url,
            login="key-of-mine",
            password="secret-of-mine",
            extra=extra,
        )

        async def get_async_connection(conn_id: str) -> Connection:
            return connection

        monkeypatch.setattr("airflow.providers.common.compat.connection.get_async_connection", get_async_connection)

        async def fleet() -> int:
            waits = [
                asyncio.create_task(event(BalancesSettledTrigger(ACCOUNT + number, "real", poll_interval=0.1)))
                for number in range(25)
            ]
            while exchange_server.requests < 200 and not any(wait.done() for wait in waits):
                await asyncio.sleep(0.05)
            # A poll that is under way when its client is closed may open one more.
            connections = exchange_server.connections
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            return int(connections)

        connections = asyncio.run(fleet())
        assert exchange_server.requests >= 200
        assert connections <= poller._THREADS

    def test_replaced_key_is_fetched(self, clock, connected):
        old, new = ScriptedClient((0, UNSOLD), (100, AuthenticationError("401"))), ScriptedClient((0, SETTLED))
        asked = connected(old, new)
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "settled"
        assert len(asked) == 2
        assert old.closed == 1
        # The refused one is a request too.
        assert fired["facts"]["requests"] == len(old.requests) + len(new.requests)

    def test_wrong_key_fails_after_one_more_fetch(self, clock, connected):
        exchange = ScriptedClient((0, AuthenticationError("api_key_invalid_or_expired", status_code=401)))
        asked = connected(exchange)
        fired = drive(clock, event(trigger()))
        assert fired["status"] == "failed"
        assert "api_key_invalid_or_expired" in fired["message"]
        assert len(asked) == len(exchange.requests) == 2

    def test_airflow_out_of_reach_for_a_moment_is_a_failed_read(self, clock, connected, monkeypatch):
        connected(ScriptedClient((0, SETTLED)))
        connect, failures = poller.connect, iter([ConnectionFailed("no answer")] * 3)

        async def flaky(conn_id: str) -> object:
            for failure in failures:
                raise failure
            return await connect(conn_id)

        monkeypatch.setattr(poller, "connect", flaky)
        assert drive(clock, event(trigger()))["status"] == "settled"

    def test_comes_from_airflow(self, monkeypatch):
        async def get_async_connection(conn_id: str) -> Connection:
            if conn_id == "nowhere":
                raise RuntimeError("password=secret-of-mine")
            return Connection(conn_id=conn_id, conn_type="threecommas", login="key-of-mine", password="secret-of-mine")

        monkeypatch.setattr("airflow.providers.common.compat.connection.get_async_connection", get_async_connection)

        async def check() -> None:
            client = await poller.connect("somewhere")
            assert "3commas.io" in client.base_url
            client.close()
            with pytest.raises(ConnectionFailed, match=r"'nowhere' could not be fetched \(RuntimeError\)\.$"):
                await poller.connect("nowhere")

        asyncio.run(check())
