"""`windowconv recipes`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

import tyro

from windowconv.lab.recipes import RECIPES, find_recipe


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """List the recipes, or the settings of one."""

    group: ClassVar = "train"

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RECIPE]")] = None
    """A recipe's name."""

    def run(self) -> None:
        """Print them."""
        if self.name is None:
            width = max(map(len, RECIPES))
            print("\n".join(f"{recipe.name:{width}}  {recipe.about}" for recipe in RECIPES.values()))
            return
        recipe = find_recipe(self.name)
        print(f"{recipe.about}\ndata: {recipe.data}; arms: {', '.join(recipe.arms)}; seeds: {recipe.seeds}")
        for name, value in asdict(recipe.training).items():
            text = " ".join(map(str, value)) if isinstance(value, tuple) else value
            print(f"  {name.replace('_', '-'):22} {'not set' if value is None else text}")
