"""How far a feature drifts by itself: PSI, and its noise inside the reference.

Without drift PSI / (1/n + 1/m) follows chi-squared with B - 1 degrees of freedom (Yurdakul 2018, "Statistical
Properties of the Population Stability Index"). Real rows are not independent, so each feature also
carries its own largest leave-one-block-out PSI. See METHODS in the documentation of drift.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ALPHA = 0.001
# The alert's second gate: a difference may be beyond chance and still too small to act on.
PSI_FLOOR = 0.1


def psi(observed: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """Return the population stability index of two count vectors over the same bins.

    ``sum((p - q) * ln(p / q))`` with shares smoothed by 0.5 per bin, ``(c + 0.5) / (n + B / 2)``.
    It is 0 for equal counts, symmetric and never negative.

    Args:
        observed: shape (B,), counts.
        expected: shape (B,), counts.
    """
    p, q = _shares(observed), _shares(expected)
    return float(np.sum((p - q) * np.log(p / q)))


def significant_psi(reference: npt.ArrayLike, n: float, chi2: float) -> float:
    """Return the PSI that sampling alone exceeds with the quantile's probability.

    ``(1/n + 1/m) chi2`` where every bin holds reference rows. A bin without any (usually below, above,
    missing) has expected pseudo-counts only, so what it adds is no chance but the constant
    ``0.5 (1/n - 1/m) ln(m/n)``: more than its degree of freedom grants where m is far above n. That
    excess is added; without it a nominal 5% is exceeded in 20% of samples of 100 against 100,000 rows.

    Args:
        reference: shape (B,), the baseline's counts; m is their sum.
        n: size of the sample, above 0.
        chi2: quantile with B - 1 degrees of freedom.
    """
    counts = np.asarray(reference, dtype=np.float64)
    m = float(counts.sum())
    unit = 1.0 / n + 1.0 / m
    pseudo = 0.5 * (1.0 / n - 1.0 / m) * math.log(m / n)
    return unit * chi2 + int((counts == 0).sum()) * max(pseudo - unit, 0.0)


def leave_one_out_noise(blocks: Counts) -> float:
    """Return the largest PSI of one block of rows against all others together.

    Args:
        blocks: shape (blocks, B), counts per block and bin. Fewer than two blocks give 0.
    """
    if len(blocks) < 2:
        return 0.0
    total = blocks.sum(axis=0)
    return max(psi(block, total - block) for block in blocks)


def _shares(counts: npt.ArrayLike) -> Floats:
    c = np.asarray(counts, dtype=np.float64)
    shares: Floats = (c + 0.5) / (c.sum() + 0.5 * c.size)
    return shares
