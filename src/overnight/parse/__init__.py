"""Reply -> typed fields: what the model wrote becomes the answer that was declared, or a reason."""

from overnight.parse.reader import compile_reader, read_answer
from overnight.parse.repairs import Repair
from overnight.parse.schema import answer_schema

__all__ = ["Repair", "answer_schema", "compile_reader", "read_answer"]
