"""From messages to a conversation of complete question/answer pairs.

What does not fit is mended or dropped, and noted.
"""

from __future__ import annotations

from planner.language import say
from planner.phrases import plural
from runtime.data.conversation import Conversation, Message
from runtime.data.findings import Note


def conversation_of(messages: list[Message], note: Note) -> Conversation | None:
    """Return the conversation, or None (and a note) when not even one pair is complete.

    Mended: neighbours of one role are joined; a leading answer and a trailing question are left out; an empty
    turn ends the conversation before its pair. Dropped: nothing to ask, nothing to learn, a system prompt in
    mid-conversation.
    """
    system, turns = split_system(messages)
    late = next((turn for turn in turns if turn.role == "system"), None)
    if late is not None:
        note("role.late_system", late.field, say("a system prompt may only stand at the beginning"))
        return None
    turns = joined(turns, note)
    if turns and turns[0].role == "assistant":
        if len(turns) == 1:
            note("prompt.empty", turns[0].field, say("there is an answer but no question"))
            return None
        note(
            "role.first_assistant", turns[0].field, say("the leading answer has no question and is left out")
        )
        turns = turns[1:]
    if not turns:
        note("answer.missing", "", say("the row holds no turns"))
        return None
    if turns[-1].role == "user":
        if len(turns) == 1:
            note("answer.missing", turns[-1].field, say("the question has no answer"))
            return None
        note("role.last_user", turns[-1].field, say("the last question has no answer and is left out"))
        turns = turns[:-1]
    pairs = complete_pairs(turns, note)
    return Conversation(system, pairs) if pairs else None


def split_system(messages: list[Message]) -> tuple[str, list[Message]]:
    """Return the leading system prompts joined, and the other messages."""
    count = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    return "\n\n".join(message.text for message in messages[:count] if message.text.strip()), messages[count:]


def joined(turns: list[Message], note: Note) -> list[Message]:
    """Return the turns with neighbours of the same role joined by an empty line."""
    result: list[Message] = []
    for turn in turns:
        if result and result[-1].role == turn.role:
            note("role.repeated", turn.field, say("two {role} turns in a row are joined", role=turn.role))
            parts = [text for text in (result[-1].text, turn.text) if text.strip()]
            result[-1] = result[-1]._replace(text="\n\n".join(parts))
        else:
            result.append(turn)
    return result


def complete_pairs(turns: list[Message], note: Note) -> tuple[tuple[str, str], ...]:
    """Return the (question, answer) pairs up to the first empty turn."""
    pairs: list[tuple[str, str]] = []
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        empty = question if not question.text.strip() else answer if not answer.text.strip() else None
        if empty is None:
            pairs.append((question.text, answer.text))
            continue
        if pairs:
            note(
                "turns.cut",
                empty.field,
                say("the turn is empty; {kept} before it are kept", kept=plural(len(pairs), "complete pair")),
            )
        else:
            if empty is question:
                note("prompt.empty", empty.field, say("the prompt is empty"))
            else:
                note("answer.empty", empty.field, say("the answer is empty"))
        break
    return tuple(pairs)
