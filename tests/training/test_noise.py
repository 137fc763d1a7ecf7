import numpy as np

from wavelane_training.noise import noise_of


def test_noise_is_of_every_kind_and_of_one_level() -> None:
    rng = np.random.default_rng(0)
    speech = [rng.normal(-6, 2, (150, 80)) for _ in range(5)]
    noise = noise_of(speech, 12_500, rng)
    assert noise.shape == (12_500, 80)
    assert np.isfinite(noise).all()
    levels = [np.exp(noise[start : start + 1_200]).mean() for start in range(0, 12_000, 1_200)]
    np.testing.assert_allclose(levels, 1.0, rtol=0.01)
    swings = [np.exp(noise[start : start + 1_200]).mean(1).std() for start in range(0, 12_000, 1_200)]
    assert max(swings) > 3 * min(swings)  # clatter comes and goes, steady noise does not
    assert (
        noise_of(speech, 3_000, np.random.default_rng(7)) == noise_of(speech, 3_000, np.random.default_rng(7))
    ).all()
