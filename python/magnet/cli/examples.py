"""What the help of every verb ends with: command lines to start from. A test reads each of them as the command does."""

__all__ = ["EXAMPLES", "examples"]

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "magnet demo",
        "magnet data check shop",
        "magnet --quiet train --data shop --model ease --out runs/ease",
    ),
    "plan": (
        "magnet plan shop",
        "magnet plan shop --model magnet --set dim=64",
    ),
    "train": (
        "magnet train --data shop --split leave-last --model magnet --out runs/magnet",
        "magnet train --data shop --model ease --set regularization=100 --out runs/ease",
        "magnet train --final runs/magnet --out runs/final",
    ),
    "evaluate": (
        "magnet evaluate runs/magnet --part test",
        "magnet evaluate runs/magnet --part test --ks 1,10 --metrics recall,map,coverage --slices",
    ),
    "recommend": (
        "magnet recommend runs/magnet --users ann,bob -k 10",
        "magnet recommend runs/magnet --users users.txt --unknown popular --out lists.parquet",
        "magnet recommend runs/magnet --history tea,cup --where 'price<=10' --reasons",
        "magnet recommend runs/magnet --users all --out lists.parquet",
        "magnet recommend runs/magnet --users ann --weigh text=2 --weigh image=0",
    ),
    "similar": (
        "magnet similar runs/magnet --items tea -k 5",
        "magnet similar runs/magnet --users ann --by taken",
    ),
    "add-items": ("magnet add-items runs/magnet --items new.csv --features text=new.npy --out runs/grown",),
    "explain": (
        "magnet explain runs/magnet",
        "magnet explain runs/magnet --user ann --item tea --png why.png",
    ),
    "export": (
        "magnet export runs/magnet --out exports/magnet",
        "magnet export runs/ease --out exports/ease --what operators,card --top 100",
    ),
    "compare": (
        "magnet compare --data shop --models magnet,ease,popularity --store study",
        "magnet compare --data shop --models ease,strong=ease --set strong:regularization=500",
    ),
    "ablate": ("magnet ablate --data shop --controls mixture --seeds 0,1,2",),
    "tune": (
        "magnet tune --data shop --model ease --trials 20 --out ease.toml",
        "magnet tune --data shop --model lightgcn --space layers=1|2|3 --space l2=1e-6..1e-2",
    ),
    "results": ("magnet results --store study --out results.md",),
    "config": ("magnet config magnet",),
    "doctor": ("magnet doctor",),
    "demo": ("magnet demo --out demo",),
    "data": ("magnet data describe shop",),
    "data describe": ("magnet data describe shop --modalities image,text",),
    "data convert": ("magnet data convert ratings.csv --min-rating 4 --split leave-last --out shop",),
    "data filter": ("magnet data filter shop --k-core 5 --since 2024-01-31 --out dense",),
    "data check": ("magnet data check shop --split temporal:0.2",),
    "data synthetic": ("magnet data synthetic --out shop --size tiny",),
    "cache": ("magnet cache list",),
    "cache list": ("magnet cache list --json",),
    "cache clear": ("magnet cache clear --older-than 30",),
    "bench": ("magnet bench step",),
    "bench step": ("magnet bench step --data shop --threads 1,2,4",),
}


def examples(verb: str) -> str:
    """The last lines of a verb's help; a paragraph for each, which is how typer keeps lines apart."""
    return "\n\n".join(["Examples:", *EXAMPLES[verb]])
