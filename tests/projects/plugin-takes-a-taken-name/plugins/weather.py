from automation.contracts import Options
from automation.hookspecs import hookimpl


class Weather:
    key = 'weather'

    class Options(Options):
        weather: str

    def __init__(self, options):
        self.options = options

    def matching(self, data):
        return data.customers


@hookimpl
def register_rules(register):
    register('did', Weather)
