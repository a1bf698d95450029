"""The end of a trial: the model that a node runs from RAM is kept, or the one before comes back."""

from __future__ import annotations

from host.core.wire import Command, Reason
from host.node.client import NodeError
from host.node.identity import Identity, in_words
from host.node.node import Node
from host.node.trusted import knows_trust


def confirm(node: Node) -> Identity:
    """Have the node keep the model that is on trial; what it then says of itself."""
    identity, image_hash = _on_trial(node)
    node.command(Command.CONFIRM, "keep the model on trial", crc=identity.model_crc, image_hash=image_hash)
    after = node.wait_idle()
    trusted = knows_trust(node)
    if after.model_crc != identity.model_crc or trusted is None or trusted.trial_left:
        raise NodeError(f"the node did not keep the model on trial{_why(after)}; ask what it runs")
    return after


def revert(node: Node) -> Identity:
    """Have the node go back to what it ran before the trial; what it then says of itself."""
    identity, image_hash = _on_trial(node)
    node.command(Command.REVERT, "end the trial", crc=identity.model_crc, image_hash=image_hash)
    after = node.wait_idle()
    trusted = knows_trust(node)
    if trusted is None or trusted.trial_left:
        raise NodeError(f"the node did not end the trial{_why(after)}; ask what it runs")
    return after


def _on_trial(node: Node) -> tuple[Identity, bytes]:
    """The node that has a model on trial, and the hash of that."""
    identity, trusted = node.identity(), knows_trust(node)
    if trusted is None or not trusted.trial_left:
        raise NodeError("no model is on trial there: it was kept, or the one of before is back")
    return identity, trusted.model_hash


def _why(identity: Identity) -> str:
    return "" if identity.reason is Reason.NONE else f": {in_words(identity.reason, identity.detail)}"
