"""Whether a chat template takes a chat of several turns whole, found by trying it."""

from stages.chat.template import MARKERS, ChatTemplate, chat_messages, within_trial_time
from storage.errors import InputError, first_line

_NO_TURNS = "the chat template takes no chat of several turns"


def check_turns(template: ChatTemplate) -> None:
    """Raise InputError, with the reason, unless a template takes system, user, assistant, user, assistant, user.

    It does if each text stands in its prompt once, whole and in order, and if the prompt ends where an answer begins.
    Some templates refuse such a chat, leave out earlier answers, or change them, as they cut thinking out.
    """
    system, *answers = MARKERS
    requests = [f"Serlrequest {number}" for number in range(len(answers) + 1)]
    chat = chat_messages(system, requests[0])
    for answer, request in zip(answers, requests[1:], strict=True):
        chat += [{"role": "assistant", "content": answer}, {"role": "user", "content": request}]
    try:
        text, closed = within_trial_time(
            lambda: (template.render(chat), template.render(chat, answered=True)),
            "a chat of several turns does not end",
        )
    except InputError as error:
        raise InputError(f"{_NO_TURNS}: it refuses them ({first_line(error)[:200]})") from None
    position = 0
    for message in chat:
        content = message["content"]
        if text.count(content) != 1:
            raise InputError(f"{_NO_TURNS}: it does not write each turn of role {message['role']} whole and once")
        if content == system:
            continue  # some templates put it in front of another turn
        if (index := text.find(content, position)) < 0:
            raise InputError(f"{_NO_TURNS}: it does not write them in order")
        position = index + len(content)
    before_answer = text.partition(requests[0])[2].partition(answers[0])[0]
    end = text.rpartition(requests[-1])[2]
    if text == closed and not end.startswith(before_answer.rstrip()):
        raise InputError(f"{_NO_TURNS}: its prompt ends before an answer begins")
