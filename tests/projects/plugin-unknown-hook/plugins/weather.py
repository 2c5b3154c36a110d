from automation.contracts import Options
from automation.hookspecs import hookimpl


@hookimpl
def register_rule(register):
    pass
