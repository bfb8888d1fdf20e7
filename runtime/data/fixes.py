"""What a person can do about each kind of finding, in words; what is done without them stands in `KINDS`."""

from __future__ import annotations

from planner.language import template

FIXES = {
    "row.unreadable": template("Write the row as one JSON object on one line, or delete the line."),
    "row.not_object": template("Write the row as an object with named fields, such as messages."),
    "field.missing": template("Add the field, or delete the row."),
    "field.type": template("Put text into the field."),
    "prompt.empty": template("Write the question, or delete the row."),
    "answer.missing": template("Add the answer that the model is to learn, or delete the row."),
    "answer.empty": template("Write the answer that the model is to learn, or delete the row."),
    "role.unknown": template("Name the role system, user, assistant or tool."),
    "role.late_system": template("Put the system prompt first."),
    "turns.unequal": template("Give each question one answer."),
    "label.missing": template("Write true for a good answer and false for a bad one."),
    "pair.equal": template("Write another rejected answer, or delete the row."),
    "pair.diverges": template("Give both answers to the same question."),
    "template.refuses": template("Write the row as the chat template wants it, or take another model."),
    "template.rewrites": template("Split the conversation into rows of one turn, or take another model."),
    "length.no_answer": template("Raise max_length, or shorten the question."),
    "length.no_prompt": template("Raise src_length, or shorten the system prompt."),
    "length.rounds_cut": template("Raise max_length if the oldest turns matter."),
    "length.prompt_cut": template("Raise src_length, or put what matters at the beginning of the question."),
    "length.answer_cut": template("Raise max_length, or shorten the answer."),
    "turns.cut": template("Fill the empty turn, or leave it out."),
    "role.repeated": template("Nothing: both texts become one. Check that they belong together."),
    "role.first_assistant": template("Nothing: the first answer is left out, as nobody asked."),
    "role.last_user": template("Add the answer to the last question, if there is one."),
    "role.tool": template("Nothing, if the model need not learn to call tools."),
    "system.moved": template("Nothing: the text reaches the model at another place."),
    "template.none": template("Take an instruct model if you train a chat."),
    "text.number": template("Put quotation marks around the number."),
    "text.nul": template("Nothing: the characters are taken out."),
    "text.surrogate": template("Nothing: the characters are replaced. Look for a wrong encoding."),
    "text.carriage_return": template("Nothing: line ends become those of Unix."),
    "text.control": template("Take the characters out, if the model is not to learn them."),
    "text.special": template("Write the token otherwise, if it is not meant as a command to the tokenizer."),
    "field.ignored": template("Nothing, unless the field holds what the model is to learn."),
    "row.duplicate": template("Delete the copies, unless the row is to count more."),
    "row.near_duplicate": template("Delete all but one: steersman data fix --near."),
    "row.near_leak": template("Take the row out of the dev file: steersman data fix --near."),
    "row.leak": template("Take the row out of one of the two files: it makes the evaluation look too good."),
    "upstream.split": template("Nothing: only upstream's own script would stop there."),
}
"""Code of a finding -> what to do."""
