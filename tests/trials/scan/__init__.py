"""bandit, wapiti and sqlmap, each proven on a weak server first, then a fuzz of every route.

Nothing is found, or each finding is explained in explained.toml. A finding that isn't there is broken, and so
is an explanation that nothing matches any more; of wapiti that is told with FULL=1 alone, since a sample sees
less.
"""

from tests.trials.sample import Sample
from tests.trials.scan import bandit, fuzz, sqlmap, wapiti
from tests.trials.scan.tools import explanations, held


def run(sample: Sample) -> list[str]:
    """Tries all of them; returns what broke."""
    explained = explanations()
    found = bandit.findings()
    print(f"bandit: {len(found)} findings", flush=True)
    by_tool = {"bandit": found}
    broken: list[str] = []
    for name, tool in (("wapiti", wapiti), ("sqlmap", sqlmap)):
        by_tool[name], wrong = tool.run_all(sample)
        print(f"{name}: {len(by_tool[name])} findings", flush=True)
        broken += wrong
    for name, findings in by_tool.items():
        told = [one for one in explained if one.tool == name]
        broken += held(findings, told, stale=name == "bandit" or sample.full)
    return broken + fuzz.run(sample)
