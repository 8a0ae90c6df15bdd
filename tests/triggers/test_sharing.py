"""Waits on one account share its polls, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading

from airflow_provider_3commas.settlement import poller
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import as_json
from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger
from tests.fakes import ACCOUNT, SETTLED, START, UNSOLD, ScriptedClient, View, row
from tests.triggers.helpers import fire, make_trigger, nothing_is_shared
from tests.virtual_time import gaps, run_in_virtual_time


def test_waits_on_one_account_share_every_answer(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (500, SETTLED))
    asked = connected(exchange)

    async def late(seconds: float, account_id: int) -> dict:
        await asyncio.sleep(seconds)
        return await fire(make_trigger(account_id))

    async def fleet() -> list[dict]:
        waits = [late(number * 0.37, ACCOUNT + number % 10) for number in range(1000)]
        return await asyncio.gather(*waits)

    fired = run_in_virtual_time(clock, fleet())
    assert {one["status"] for one in fired} == {"settled"}
    assert asked == ["threecommas_default"]
    assert exchange.closed == 1
    for number in range(10):
        assert all(gap >= 60 for gap in gaps(exchange.polls(ACCOUNT + number)))
    assert nothing_is_shared()


def test_a_hundred_waits_on_an_account_send_what_one_does(clock, connected):
    def sent(waits: int) -> list[tuple[float, str, int]]:
        clock.move_to(START)
        exchange = ScriptedClient((0, UNSOLD), (400, SETTLED))
        connected(exchange)

        async def fleet() -> None:
            await asyncio.gather(*(fire(make_trigger()) for _ in range(waits)))

        run_in_virtual_time(clock, fleet())
        return [(round(at, 1), name, account_id) for at, name, account_id in exchange.requests]

    alone = sent(1)
    assert sent(100) == alone
    polls = sum(name == "load_balances" for _, name, _ in alone)
    # A poll is a refresh and the rows; what is running is asked before the account counts as settled, and every two
    # minutes while nothing moves.
    assert len(alone) == 2 * polls + 1 + 2


def test_each_wait_counts_the_requests_of_the_polls_it_took_part_in(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (400, SETTLED))
    connected(exchange)

    async def late(seconds: float) -> dict:
        await asyncio.sleep(seconds)
        return await fire(make_trigger())

    async def both() -> list[dict]:
        return await asyncio.gather(late(0), late(300))

    first, second = run_in_virtual_time(clock, both())
    assert first["facts"]["requests"] == len(exchange.requests)
    assert second["facts"]["requests"] == len([at for at, _, _ in exchange.requests if at > 320])
    assert 0 < second["facts"]["requests"] < first["facts"]["requests"]


def test_each_wait_keeps_its_own_criteria(clock, connected):
    view = View([row("BTC", "1.09"), row("DOT", "7", "0.2")])
    connected(ScriptedClient((0, view)))

    async def both() -> list[dict]:
        ignores = as_json(Criteria.parse(ignore_currencies=["DOT"]))
        return await asyncio.gather(fire(make_trigger()), fire(make_trigger(criteria=ignores)))

    assert [fired["status"] for fired in run_in_virtual_time(clock, both())] == ["stalled", "settled"]


def test_each_wait_keeps_its_own_interval(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)

    async def both() -> list[dict]:
        eager = as_json(Criteria.parse(stable_reads=40))
        return await asyncio.gather(
            fire(make_trigger(poll_interval=5, criteria=eager)), fire(make_trigger(poll_interval=60))
        )

    quick, slow = run_in_virtual_time(clock, both())
    assert slow["result"]["reads"] == 2
    assert slow["result"]["waited_seconds"] > 115
    assert quick["result"]["reads"] == 40


def test_connections_are_kept_apart(clock, connected):
    asked = connected(ScriptedClient((0, SETTLED)))

    async def both() -> None:
        await asyncio.gather(fire(make_trigger()), fire(make_trigger(threecommas_conn_id="paper")))

    run_in_virtual_time(clock, both())
    assert sorted(asked) == ["paper", "threecommas_default"]


def test_a_cancelled_wait_leaves_the_others_alone(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (300, SETTLED))
    connected(exchange)

    async def both() -> dict:
        killed, kept = (asyncio.ensure_future(fire(make_trigger())) for _ in range(2))
        await asyncio.sleep(100)
        killed.cancel()
        return await kept

    assert run_in_virtual_time(clock, both())["status"] == "settled"
    assert nothing_is_shared()


def test_the_last_wait_that_is_cancelled_stops_the_polls(clock, connected):
    exchange = ScriptedClient((0, UNSOLD))
    connected(exchange)

    async def killed() -> None:
        wait = asyncio.ensure_future(fire(make_trigger()))
        await asyncio.sleep(100)
        wait.cancel()
        await asyncio.sleep(1000)

    run_in_virtual_time(clock, killed())
    assert len(exchange.polls()) == 1
    assert exchange.closed == 1
    assert nothing_is_shared()


def test_a_later_wait_starts_over(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    asked = connected(exchange)

    async def one_after_the_other() -> None:
        await fire(make_trigger())
        await fire(make_trigger())

    run_in_virtual_time(clock, one_after_the_other())
    assert len(asked) == 2
    assert exchange.closed == 2


def test_a_server_that_answers_slowly_holds_up_no_waits_but_its_own(monkeypatch):
    answered = threading.Event()

    class SlowClient(ScriptedClient):
        def load_balances(self, account_id):
            answered.wait(20)
            return super().load_balances(account_id)

    async def connect(conn_id):
        return SlowClient((0, UNSOLD)) if conn_id == "slow" else ScriptedClient((0, SETTLED))

    monkeypatch.setattr(poller, "connect", connect)

    def trigger(account_id, conn_id):
        return BalancesSettledTrigger(account_id, conn_id, poll_interval=0.1)

    async def both() -> dict:
        slow = [asyncio.create_task(fire(trigger(ACCOUNT + number, "slow"))) for number in range(10)]
        await asyncio.sleep(0.5)
        fired = await fire(trigger(ACCOUNT, "healthy"))
        assert not answered.is_set()
        assert not any(task.done() for task in slow)
        answered.set()
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return fired

    assert asyncio.run(asyncio.wait_for(both(), 10))["status"] == "settled"
    assert nothing_is_shared()
