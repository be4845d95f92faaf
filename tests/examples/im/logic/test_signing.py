"""Facts about accounts and sessions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from examples.im import api
from examples.im.api import Credentials, Logic, Token
from examples.im.logic.rpc import remote, restored
from examples.im.logic.service import Config, service
from mainstay.errors import Conflict, InvalidRequest, Overloaded, Unauthenticated
from mainstay.testing import rpc_channel
from tests.examples.im.logic.conftest import PASSWORD, joined

pytestmark = pytest.mark.real_loop


async def test_who_signs_up_is_signed_in_and_in_the_lobby(logic: Logic) -> None:
    """With the name in one form, and as they like to be shown."""
    session = await logic.sign_up(Credentials("Ada", PASSWORD, "Ada  Lovelace"))
    account = session.account
    assert (account.name, account.display, account.imported) == ("ada", "Ada Lovelace", False)
    assert await logic.who(Token(session.token)) == session
    (lobby,) = (await logic.conversations(api.Ask(account.id))).items
    assert (lobby.kind, lobby.name, lobby.members, lobby.member) == ("room", "lobby", 1, True)


async def test_a_name_is_taken_once_in_whatever_form(logic: Logic) -> None:
    """Who comes second is told so."""
    await joined(logic, "ada")
    with pytest.raises(Conflict, match="the name ada is taken"):
        await joined(logic, "ＡＤＡ")


async def test_a_session_holds_until_it_is_ended(logic: Logic) -> None:
    """Each sign-in is one of its own; ending one leaves the other, and ending it twice is well."""
    first = await joined(logic, "ada")
    second = await logic.sign_in(Credentials("ADA", PASSWORD))
    assert first.token != second.token
    assert first.account == second.account
    for _ in range(2):
        assert await logic.sign_out(Token(first.token)) == api.Done()
    with pytest.raises(Unauthenticated) as caught:
        await logic.who(Token(first.token))
    assert caught.value.reason == "NO_SESSION"
    assert await logic.who(Token(second.token)) == second


async def test_the_end_of_a_session_is_told_to_all_gateways(logic: Logic) -> None:
    """By a name of it that is no secret."""
    session = await joined(logic, "ada")
    at = (await logic.conversations(api.Ask(session.account.id))).seq
    await logic.sign_out(Token(session.token))
    async for events in logic.feed(api.Since(at)):
        if events.items:
            break
    told = api.SignedOut(session.account.id, api.session_id(session.token))
    assert [each.what for each in events.items] == [told]
    assert session.token not in str(events)


async def test_a_wrong_name_and_a_wrong_password_are_the_same_mistake(logic: Logic) -> None:
    """Nobody learns who has an account."""
    await joined(logic, "ada")
    said = []
    for name, password in (("ada", "wrong horse"), ("grace", PASSWORD)):
        with pytest.raises(Unauthenticated) as caught:
            await logic.sign_in(Credentials(name, password))
        said.append((caught.value.message, caught.value.reason))
    assert said[0] == said[1] == ("the name or the password is wrong", "WRONG_PASSWORD")


async def guess(logic: Logic, name: str, source: str, times: int) -> None:
    """Try wrong passwords."""
    for _ in range(times):
        with pytest.raises(Unauthenticated):
            await logic.sign_in(Credentials(name, "wrong horse", source=source))


async def test_too_many_tries_have_to_wait(logic: Logic) -> None:
    """The fourth of a minute is refused, with the right password too; other names go on."""
    await joined(logic, "ada")
    await guess(logic, "ada", "192.0.2.1", 3)
    with pytest.raises(Overloaded) as caught:
        await logic.sign_in(Credentials("Ada", PASSWORD, source="192.0.2.1"))
    assert 0 < int(caught.value.metadata["retry_after"]) <= 20
    await guess(logic, "grace", "192.0.2.1", 1)


async def test_who_guesses_does_not_lock_out_who_knows(logic: Logic) -> None:
    """Tries are counted by where they come from; and who is in has all theirs again."""
    await joined(logic, "ada")
    await guess(logic, "ada", "192.0.2.1", 3)
    for _ in range(2):
        await guess(logic, "ada", "198.51.100.7", 2)
        await logic.sign_in(Credentials("ada", PASSWORD, source="198.51.100.7"))


async def test_processes_count_tries_together(config: Config) -> None:
    """What has been tried at one has been tried at the other; and a restart forgets nothing."""
    async with (
        rpc_channel(service, config=config, middleware=[restored]) as one,
        rpc_channel(service, config=config, middleware=[restored]) as other,
    ):
        await joined(remote(one), "ada")
        await guess(remote(one), "ada", "192.0.2.1", 2)
        await guess(remote(other), "ada", "192.0.2.1", 1)
        with pytest.raises(Overloaded):
            await remote(one).sign_in(Credentials("ada", PASSWORD, source="192.0.2.1"))
    async with rpc_channel(service, config=config, middleware=[restored]) as again:
        with pytest.raises(Overloaded):
            await remote(again).sign_in(Credentials("ada", PASSWORD, source="192.0.2.1"))


async def test_bad_names_and_passwords_are_refused_before_anything_is_stored(
    logic: Logic,
) -> None:
    """With the reason of the rule."""
    for credentials, reason in (
        (Credentials("-", PASSWORD), "BAD_NAME"),
        (Credentials("ada", "short"), "BAD_PASSWORD"),
        (Credentials("ada", PASSWORD, "x" * 41), "BAD_NAME"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            await logic.sign_up(credentials)
        assert caught.value.reason == reason
    assert (await logic.people(api.Ask())).items == []


async def test_a_copy_of_the_database_opens_nothing(logic: Logic, tmp_path: Path) -> None:
    """Neither tokens nor passwords are in it."""
    session = await joined(logic, "ada")
    with sqlite3.connect(tmp_path / "chat.db") as db:
        dump = "\n".join(db.iterdump())
    db.close()
    assert "ada" in dump
    assert session.token not in dump
    assert PASSWORD not in dump
    assert session.token.encode().hex().upper() not in dump.upper()
