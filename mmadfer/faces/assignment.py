"""The best pairs of two small sets: as many as can be, and of those the ones that cost least together."""

from __future__ import annotations

import math

import numpy as np


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (row, column), each row and column at most once.

    Args: costs: `(rows, columns)`, at least 0; an infinite cost is no pair. Any count of rows and columns, none too.
    """
    if costs.size == 0:
        return []
    allowed = np.isfinite(costs)
    # So much dearer than all pairs together that it stands for "none": one pair more is worth any other choice.
    none = 1.0 + 2.0 * float(costs[allowed].sum()) if allowed.any() else 1.0
    size = max(costs.shape)
    square = np.full((size, size), none)
    square[: costs.shape[0], : costs.shape[1]] = np.where(allowed, costs, none)
    column_of = _cheapest(square)
    pairs = [(row, column_of[row]) for row in range(costs.shape[0])]
    return [(row, column) for row, column in pairs if column < costs.shape[1] and allowed[row, column]]


def _cheapest(costs: np.ndarray) -> list[int]:
    """Return the column of each row in a square of finite costs: rows come one by one, each by the shortest path."""
    size = len(costs)
    by_row, by_column = np.zeros(size), np.zeros(size)  # prices that keep every reduced cost at 0 or above
    row_of = [-1] * size  # of each column; -1: of none yet
    for new in range(size):
        length, before = np.full(size, math.inf), [-1] * size
        done: list[int] = []
        row, column, so_far = new, -1, 0.0
        while row >= 0:
            reduced = so_far + costs[row] - by_row[row] - by_column
            better = reduced < length
            better[done] = False
            length[better] = reduced[better]
            before = [column if better[k] else before[k] for k in range(size)]
            open_lengths = length.copy()
            open_lengths[done] = math.inf
            column = int(np.argmin(open_lengths))
            so_far = float(length[column])
            done.append(column)
            row = row_of[column]
        for k in done:
            if row_of[k] >= 0:
                by_row[row_of[k]] += so_far - length[k]
            by_column[k] -= so_far - length[k]
        by_row[new] += so_far
        while column >= 0:
            row_of[column] = row_of[before[column]] if before[column] >= 0 else new
            column = before[column]
    return [row_of.index(row) for row in range(size)]
