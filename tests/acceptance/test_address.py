"""`leadkeeper address`: an order goes through the inbox, the lead agent and the topic, and can be asked about."""

from agents.writer import partition_for
from schemas.topics import SUPPRESSIONS
from tests.acceptance.conftest import Deploy
from tests.acceptance.traffic import day, event
from tests.polling import eventually

ANN, NUMBER = "ann@example.com", "+14155550132"


def test_an_address_is_suppressed_asked_about_and_released(deploy: Deploy) -> None:
    product = deploy(3)
    worker = product.start("lead", address_keys="secret").wait_ready()

    def check(address: str) -> tuple[int, str]:
        done = product.run("address", "check", product.tenant, address, address_keys="secret")
        return done.code, done.out.strip()

    assert check(ANN) == (0, "not suppressed")
    ordered = product.run("address", "suppress", product.tenant, ANN, "--by", "kim", "--reason", "asked on the phone")
    assert ordered.code == 0, ordered.err
    eventually(lambda: check(ANN)[0] == 1, what="the order to hold")
    assert check("Ann@Example.com") == (1, "suppressed by email: an operator suppressed this address (operator)")
    assert check("bo@example.com")[0] == 0
    product.run("address", "release", product.tenant, ANN, "--by", "kim")
    eventually(lambda: check(ANN)[0] == 0, what="the release to hold")

    product.send(
        [
            event(product, "L1", day(0), "profile_updated", "p", phone=NUMBER),
            event(product, "L1", day(1), "erase_lead", "e", by="kim"),
        ]
    )
    eventually(lambda: check(NUMBER)[0] == 1, what="the erasure to hold")
    assert check(NUMBER)[1].splitlines() == [
        f"suppressed by {channel}: somebody with this address was erased (erased)" for channel in ("sms", "phone")
    ]
    for record in product.records(SUPPRESSIONS):
        assert record.partition == partition_for(record.key, 3), "one order for each address, whoever says it"
        assert b"ann@" not in record.value + record.key
        assert NUMBER.encode() not in record.value + record.key
    assert worker.running


def test_what_is_no_address_is_refused(deploy: Deploy) -> None:
    product = deploy(2)
    for wrong, word in (("ann@", "address"), ("12345", "address")):
        done = product.run("address", "suppress", "acme", wrong, "--by", "kim")
        assert (done.code, word in done.err) == (64, True), done.err
