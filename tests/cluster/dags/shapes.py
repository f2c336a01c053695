"""User functions in every shape that Python offers, all of them defined in a DAG file."""

from functools import partial
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator

SHOUT = "!"


def function(text):
    return text.upper() + SHOUT


def with_mark(text, mark):
    return text.upper() + mark


def closure_over(mark):
    def closure(text):
        return text.upper() + mark

    return closure


class CallableObject:
    def __init__(self, mark):
        self.mark = mark

    def __call__(self, text):
        return text.upper() + self.mark

    def method(self, text):
        return self(text)


SHAPES = {
    "function": function,
    "lambda": lambda text: text.upper() + SHOUT,
    "closure": closure_over(SHOUT),
    "partial": partial(with_mark, mark=SHOUT),
    "callable": CallableObject(SHOUT),
    "method": CallableObject(SHOUT).method,
}


def read_with(transform):
    return lambda path: transform(Path(path).read_text())


with DAG("shapes", schedule=None):
    for name, shape in SHAPES.items():
        read = DirectoryReadOperator(
            task_id=f"read_{name}",
            source="raw/words",
            target=f"interim/shapes/{name}",
            read=read_with(shape),
            codec="text",
        )
        StagedTransformOperator(
            task_id=f"transform_{name}",
            source=read.output,
            target=f"final/shapes/{name}",
            transform=shape,
            codec="text",
        )
