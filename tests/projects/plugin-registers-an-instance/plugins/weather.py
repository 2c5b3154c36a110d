from automation.contracts import Options
from automation.hookspecs import hookimpl


@hookimpl
def register_rules(register):
    register('weather', object())
