"""Recipes: the paper's protocols, and reduced and modern ones beside them, by name."""

from __future__ import annotations

from windowconv.errors import unknown
from windowconv.lab.recipes import airbench, imagenet, small_network
from windowconv.lab.recipes.recipe import ARMS, Recipe

__all__ = ["ARMS", "RECIPES", "Recipe", "find_recipe"]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*small_network.RECIPES, *imagenet.RECIPES, *airbench.RECIPES)
}


def find_recipe(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        InputError: there is none; the nearest is suggested.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]
