from automation.contracts import Options
from automation.hookspecs import hookimpl


@hookimpl
def run_started(campaign, shop):
    pass
