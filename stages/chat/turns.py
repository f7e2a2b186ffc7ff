"""Whether a chat template takes a chat of several turns whole, found by trying it."""

from stages.chat.template import MARKERS, ChatTemplate, chat_messages, within_trial_time
from storage.errors import InputError, first_line


def why_no_turns(template: ChatTemplate) -> str | None:
    """Return why a template does not take system, user, assistant, user, assistant, user; None if it does.

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
        return f"it refuses a chat of several turns ({first_line(error)[:200]})"
    position = 0
    for message in chat:
        content = message["content"]
        if text.count(content) != 1:
            return f"it does not write the turns of a chat whole and once (role {message['role']})"
        if content == system:
            continue  # some templates put it in front of another turn
        if (index := text.find(content, position)) < 0:
            return "it does not write the turns of a chat in order"
        position = index + len(content)
    before_answer = text.partition(requests[0])[2].partition(answers[0])[0]
    end = text.rpartition(requests[-1])[2]
    if text == closed and not end.startswith(before_answer.rstrip()):
        return "its prompt ends before an answer begins"
    return None
