"""Which columns and answers are evidence, and what pages are about: what a project declares, held against its columns.

In: `Project`. Out: `Declarations`.
"""

from __future__ import annotations

from data.project import Project
from features.declarations import Declarations, Topics

__all__ = ["declarations_of", "declared_topics"]


def declared_topics(project: Project) -> Topics:
    """`[topics]` as signals read it."""
    return Topics(tuple(project.topics.items()), project.default_topics)


def declarations_of(project: Project) -> Declarations:
    """What a project declares about its signals."""
    return Declarations(topics=declared_topics(project))
