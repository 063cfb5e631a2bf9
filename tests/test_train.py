"""Training: stacked members are separate ones, nothing leaks, a resumed run is the same run."""

import io
import signal
import zipfile
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from blase_astro.cli import main  # noqa: E402
from blase_astro.ensemble import Ensemble  # noqa: E402
from blase_astro.io.table import select  # noqa: E402
from blase_astro.sed import RICH_BINS  # noqa: E402
from blase_astro.simulate import simulate_seds  # noqa: E402
from blase_astro.training import (  # noqa: E402
    PRESETS,
    Pool,
    StackedEnsemble,
    TrainConfig,
    default_pool,
    network,
    resume,
    train,
    train_ensemble,
)

SMALL = TrainConfig(
    bins="v1",
    n_bags=2,
    n_members=2,
    hidden=(12, 8),
    dropout=(0.1, 0.0),
    simulated=60,
    epochs=3,
    batch_size=16,
)
# The original recipe, as small.
SEED = replace(PRESETS["seed"], n_bags=2, n_members=2, hidden=(12, 8), dropout=(0.1, 0.0), epochs=3)


@pytest.fixture(scope="module")
def training_set():
    """A training set of simulated sources, in the shape of a real one, and its measurements."""
    from astropy.table import Table

    from blase_astro.sed import bin_points

    points, truth = simulate_seds(160, seed=5)
    binned, _ = bin_points(points)
    keep = np.flatnonzero(np.isfinite(binned).sum(axis=1) >= 5)
    columns = {name: np.asarray(truth[name])[keep] for name in ("log_nu_peak", "log_nufnu_peak")}
    columns |= {"name": [f"s{i}" for i in keep], "binned": binned[keep]}
    columns |= {"ra": np.linspace(0, 350, len(keep)), "dec": np.linspace(-80, 80, len(keep))}
    return Table(columns), select(points, keep)


@pytest.fixture(scope="module")
def table(training_set):
    """The table of the training set."""
    return training_set[0]


def pool_of(table, config):
    """The samples of a table without simulated ones."""
    bag = np.arange(len(table)) % config.n_bags
    label = np.stack([table["log_nu_peak"], table["log_nufnu_peak"]], axis=1)
    return default_pool(
        np.asarray(table["binned"]),
        label,
        bag,
        config.n_members,
        rich_weights=config.rich_weights,
    )


def normal_loss(module, out, label):
    """Torch's own Gaussian loss of member 3, but for the factor of a half."""
    label = (label - module.label_mean[3]) / module.label_std[3]
    variance = torch.nn.functional.softplus(out[:, 1]) + 1e-4
    return 2 * torch.nn.functional.gaussian_nll_loss(out[:, 0], label, variance, reduction="none")


def grid_loss(module, out, label):
    """Torch's own cross entropy with cells of a normal distribution, and the integral by sums."""
    width, weight = module.config.label_width[0], module.config.cdf_weight[0]
    cells = torch.exp(-((module.grid - label[:, None]) ** 2) / (2 * width**2))
    cells = cells / cells.sum(1, keepdim=True)
    entropy = torch.nn.functional.cross_entropy(out, cells, reduction="none")
    below = torch.ones(len(module.grid), len(module.grid), dtype=out.dtype).triu()
    distance = (torch.softmax(out, 1) @ below - cells @ below) ** 2
    return entropy + weight * distance.sum(1) * (module.grid[1] - module.grid[0])


LOSSES = {"grid": grid_loss, "normal": normal_loss}


def sequential(module, member, dropout=0.0):
    """One member of a stack as torch's own layers, with the same weights."""
    layers = []
    for layer in module.net:
        if isinstance(layer, network.StackedLinear):
            n_in, n_out = layer.weight.shape[1:]
            own = torch.nn.Linear(n_in, n_out)
            own.weight.data = layer.weight[member].detach().T.clone()
            own.bias.data = layer.bias[member, 0].detach().clone()
        elif isinstance(layer, network.StackedBatchNorm):
            own = torch.nn.BatchNorm1d(layer.weight.shape[-1])
        elif isinstance(layer, torch.nn.Dropout):
            own = torch.nn.Dropout(dropout)
        else:
            own = torch.nn.ReLU()
        layers.append(own)
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("networks", ["grid", "normal"])
def test_stacked_member_trains_as_it_would_alone(table, kind, networks):
    """After 25 steps on the same batches a stacked member equals nn.Sequential to rounding.

    In double precision: the gradient of a bias before a BatchNorm is zero but for rounding, and
    Adam would make a step of full length of that.
    """
    config = replace(SMALL, dropout=(0.0, 0.0), networks=networks)
    module = StackedEnsemble(pool_of(table, config), "nu_peak", config).double()
    alone = sequential(module, 3).double()
    stacked_optimizer = kind(module.net.parameters(), lr=2e-3, weight_decay=1e-2)
    alone_optimizer = kind(alone.parameters(), lr=2e-3, weight_decay=1e-2)
    rng = np.random.default_rng(0)
    for _ in range(25):
        index = torch.as_tensor(rng.integers(0, len(table), (4, 16)))
        stacked_optimizer.zero_grad()
        module.loss(index).mean(1).sum().backward()
        stacked_optimizer.step()
        x, _ = module.inputs(index)
        loss = LOSSES[networks](module, alone(x[3]), module.label[index[3]])
        alone_optimizer.zero_grad()
        (loss * module.weight[index[3]]).mean().backward()
        alone_optimizer.step()
    x, _ = module.inputs(torch.arange(40).expand(4, -1))
    for mode in (True, False):
        module.net.train(mode)
        alone.train(mode)
        expected = alone(x[3])
        torch.testing.assert_close(module.net(x)[3], expected, rtol=1e-6, atol=1e-7)


def test_labels_beyond_the_grid_are_at_its_ends(table):
    """They are not lost, and the cells of a label at an end are those about the end."""
    module = StackedEnsemble(pool_of(table, SMALL), "nu_peak", SMALL)
    for end, beyond in ((11, 5.0), (19, 30.0)):
        width = SMALL.label_width[0]
        sure = torch.log_softmax(-0.5 * ((module.grid - end) / width) ** 2, -1)
        expected = -(sure.exp() * sure).sum().expand(4, 2)
        found = module.grid_loss(sure.expand(4, 2, 81), torch.full((4, 2), beyond))
        torch.testing.assert_close(found, expected)


def trained_by_chance(table, target, config):
    """A module whose weights and statistics are such as after a training, and its bags."""
    module = StackedEnsemble(pool_of(table, config), target, config)
    torch.manual_seed(0)
    with torch.no_grad():
        for value in [*module.net.parameters(), *module.net.buffers()]:
            value.add_(torch.rand_like(value) * 0.3)
    module.best = {k: v.clone() for k, v in module.net.state_dict().items()}
    return module.eval(), np.arange(len(table)) % 2


@pytest.mark.parametrize("target", ["nu_peak", "nufnu_peak"])
def test_export_is_the_network(table, target, monkeypatch):
    """Numpy's forward pass with everything folded in equals torch's."""
    monkeypatch.setattr(train, "_SMALL_CHANGE", -1)  # the weights as they are
    module, bag = trained_by_chance(table, target, SMALL)
    ensemble = train._export(module, table, bag, target, SMALL)
    assert ensemble.grid is network.GRIDS[target]
    x, base = module.inputs(torch.arange(len(table)).expand(4, -1))
    with torch.no_grad():
        expected = torch.softmax(module.net(x), -1).mean(0).numpy()
    found = ensemble.predict(np.asarray(table["binned"]), calibrated=False)
    np.testing.assert_allclose(found.probability, expected, atol=1e-5)
    if target == "nufnu_peak":
        np.testing.assert_allclose(found.base, base[0], rtol=1e-6)
    else:
        assert found.base is None


@pytest.mark.parametrize("target", ["nu_peak", "nufnu_peak"])
@pytest.mark.parametrize("subtract_level", [True, False])
def test_export_of_normal_networks(table, target, subtract_level, monkeypatch):
    """The same for networks that give mean and variance."""
    monkeypatch.setattr(train, "_SMALL_CHANGE", -1)
    config = replace(SEED, bins="v1", subtract_level=subtract_level)
    module, bag = trained_by_chance(table, target, config)
    for name in ("8.weight", "8.bias"):  # narrow distributions, well inside of their grid
        module.best[name] *= 0.05
    module.net.load_state_dict(module.best)
    ensemble = train._export(module, table, bag, target, config)
    x, base = module.inputs(torch.arange(len(table)).expand(4, -1))
    with torch.no_grad():
        out = module.net(x)
    mean = out[..., 0] * module.label_std + module.label_mean
    if subtract_level and target == "nufnu_peak":
        mean = mean + base
    variance = (torch.nn.functional.softplus(out[..., 1]) + 1e-4) * module.label_std**2
    scale = out[..., 0].abs().max().item()
    means = ensemble.predict_members(table["binned"]).reshape(4, -1)
    np.testing.assert_allclose(means, mean, atol=1e-5 * scale, rtol=1e-6)
    found = ensemble.predict(np.asarray(table["binned"]), calibrated=False)
    expected = (variance.mean(0) + mean.var(0, correction=0)).sqrt().numpy()
    np.testing.assert_allclose(found.std(), expected, rtol=0.01)


def test_short_weights_change_no_estimate(table):
    """What the file holds in half the room gives the same estimates; else all digits stay."""
    ensemble = train_ensemble(table, SMALL, progress=False)["nu_peak"]
    assert all((w == w.astype(np.float16)).all() for w in ensemble.weights)
    weights = [w.copy() for w in ensemble.weights]
    weights[0] *= 1 + 1e-5
    precise = replace(ensemble, weights=tuple(weights))
    binned = np.asarray(table["binned"])
    short = train._shortened(precise, binned)
    np.testing.assert_array_equal(short.weights[0], ensemble.weights[0])
    change = short.predict(binned).median() - precise.predict(binned).median()
    assert 0 < np.abs(change).max() < 0.005
    weights[0] *= 1e6  # too large for float16
    large = replace(ensemble, weights=tuple(weights))
    assert train._shortened(large, binned) is large


def test_training_end_to_end(training_set, tmp_path):
    """Both targets, files and logs; the same seed gives the same bits, another one others."""
    table, points = training_set
    first = train_ensemble(table, SMALL, sampling=points, output=tmp_path, progress=False)
    assert set(first) == {"nu_peak", "nufnu_peak"}
    for target, ensemble in first.items():
        loaded = Ensemble.load(tmp_path, target)
        assert loaded.digest == ensemble.digest
        assert loaded.weights[0].dtype == np.float32
        assert loaded.calibration is not None
        np.testing.assert_allclose(loaded.oob.probability.sum(axis=1), 1, atol=1e-9)
        assert loaded.meta["config"]["n_bags"] == 2
        assert list((tmp_path / "logs" / target).glob("*/metrics.csv"))
        assert list((tmp_path / "logs" / target).glob("*/events.*"))
    again = train_ensemble(table, SMALL, sampling=points, progress=False)
    assert again["nu_peak"].digest == first["nu_peak"].digest
    other = train_ensemble(table, replace(SMALL, seed=1), sampling=points, progress=False)
    assert other["nu_peak"].digest != first["nu_peak"].digest


def test_out_of_bag_estimates_come_from_the_own_bag(table):
    """What is stored as out of bag is what the members of the source's bag say."""
    ensemble = train_ensemble(table, SMALL, progress=False)["nu_peak"]
    columns = ensemble.source_columns
    own = ensemble.predict(np.asarray(table["binned"]), columns["bag"], calibrated=False)
    np.testing.assert_allclose(columns["oob_probability"], own.probability, atol=1e-3)
    all_members = ensemble.predict(np.asarray(table["binned"]), calibrated=False)
    assert np.abs(columns["oob_probability"] - all_members.probability).max() > 0.005
    found, separation, _ = ensemble.find_bag(table["ra"], table["dec"])
    np.testing.assert_array_equal(found, columns["bag"])
    assert separation.max() < 0.01


def test_the_sampling_is_that_of_the_sources(training_set):
    """Simulated SEDs have the measurements of a source and stay in its bag; others are refused."""
    table, points = training_set
    bag = np.arange(len(table)) % 3
    binned, _, sim_bag = train._simulated(points, bag, SMALL)
    assert len(sim_bag) == len(binned) <= SMALL.simulated
    _, truth = simulate_seds(SMALL.simulated, seed=SMALL.seed, sampling=points)
    filled = [set(np.flatnonzero(np.isfinite(row))) for row in np.asarray(table["binned"])]
    assert (sim_bag >= 0).all()
    for row, b in zip(binned, sim_bag, strict=True):
        bins = set(np.flatnonzero(np.isfinite(row)))
        assert b in {bag[i] for i, full in enumerate(filled) if bins <= full}
    assert set(np.asarray(truth["pattern"])) <= set(range(len(table)))
    with pytest.raises(ValueError, match=r"wanted one SED for each of \d+ sources, got 3"):
        train_ensemble(table, SMALL, sampling=select(points, np.arange(3)), progress=False)


def test_the_first_source_has_its_bag_too(training_set):
    """Simulated SEDs that are sampled like the source of row 0 stay in its bag."""
    sampling = select(training_set[1], np.arange(1))
    sim_bag = train._simulated(sampling, np.array([2]), SMALL)[2]
    assert len(sim_bag)
    assert (sim_bag == 2).all()


def test_without_sampling_simulated_seds_belong_to_no_bag(table):
    """The built-in surveys know no source."""
    sim_bag = train._simulated(None, np.zeros(len(table), int), SMALL)[2]
    assert (sim_bag == -1).all()


def test_the_sampling_reaches_the_simulator(training_set, monkeypatch):
    """Training with measurements does not fall back on the built-in surveys."""
    table, points = training_set
    asked = []

    def simulated(n, *, seed, sampling):
        asked.append((n, seed, sampling))
        return simulate_seds(n, seed=seed, sampling=sampling)

    monkeypatch.setattr(train, "simulate_seds", simulated)
    train_ensemble(table, replace(SMALL, epochs=1), sampling=points, progress=False)
    assert len(asked) == 1
    assert asked[0][:2] == (SMALL.simulated, SMALL.seed)
    assert asked[0][2] is points


def pool_with_simulated(table, training_set, config):
    """Real and simulated samples, weights of both."""
    bag = np.arange(len(table)) % config.n_bags
    label = np.stack([table["log_nu_peak"], table["log_nufnu_peak"]], axis=1)
    simulated = train._simulated(training_set[1], bag, config)
    simulated[0][:10, 12:] = np.nan  # some are sparse
    return default_pool(
        np.asarray(table["binned"]),
        label,
        bag,
        config.n_members,
        simulated=simulated,
        rich_weights=config.rich_weights,
    )


def test_sparse_simulated_seds_say_so(table, training_set):
    """One more input, 1 for a sparse simulated SED and 0 for all others."""
    pool = pool_with_simulated(table, training_set, SMALL)
    module = StackedEnsemble(pool, "nu_peak", SMALL)
    x, _ = module.inputs(torch.arange(len(pool.label)).expand(4, -1))
    sparse = np.isfinite(pool.binned).sum(axis=1) < RICH_BINS
    expected = pool.simulated & sparse
    assert 0 < expected.sum() < pool.simulated.sum()
    assert (sparse & ~pool.simulated).any()
    np.testing.assert_array_equal(x[2, :, -1].numpy(), expected)


@pytest.mark.parametrize("target", ["nu_peak", "nufnu_peak"])
def test_the_scaling_sees_training_samples_alone(table, training_set, target):
    """What a member is not trained on, and what is simulated, moves none of its scales."""
    pool = pool_with_simulated(table, training_set, SMALL)
    before = network._scaling(pool, target, True)
    for member, rows in enumerate(pool.train):
        others = np.setdiff1d(np.arange(len(pool.label)), rows[~pool.simulated[rows]])
        assert 0 < pool.simulated[rows].sum() < len(others)
        binned, label, weight = pool.binned.copy(), pool.label.copy(), pool.weight.copy()
        binned[others] += 3
        label[others] -= 5
        weight[others] *= 7
        changed = pool._replace(binned=binned, label=label, weight=weight)
        after = network._scaling(changed, target, True)
        for name, values in before.items():
            np.testing.assert_array_equal(after[name][member], values[member], err_msg=name)


def test_scaling_by_hand(table, training_set):
    """Means and standard deviations of the filled bins, the level and the weighted labels."""
    pool = pool_with_simulated(table, training_set, SMALL)
    scaling = network._scaling(pool, "nufnu_peak", True)
    rows = pool.train[1][~pool.simulated[pool.train[1]]]
    binned = np.ma.masked_invalid(pool.binned[rows].astype(float))
    level = binned.mean(axis=1).data
    relative = binned - level[:, None]
    filled = np.asarray((~np.ma.getmaskarray(binned)).sum(axis=0)) > 5
    close = {"rtol": 1e-5, "atol": 1e-6}
    mean, std = (scaling[f"bin_{k}"][1, 0][filled] for k in ("mean", "std"))
    np.testing.assert_allclose(mean, relative.mean(axis=0)[filled], **close)
    np.testing.assert_allclose(std, np.maximum(relative.std(axis=0)[filled], 0.01), **close)
    np.testing.assert_allclose(scaling["level_mean"][1].item(), level.mean() + 12, **close)
    np.testing.assert_allclose(scaling["level_std"][1].item(), level.std() + 1e-4, **close)
    label, weight = pool.label[rows, 1] - level, pool.weight[rows]
    average = np.sum(label * weight) / weight.sum()
    spread = np.sum((label - average) ** 2 * weight) / weight.sum()
    np.testing.assert_allclose(scaling["label_mean"][1].item(), average, **close)
    np.testing.assert_allclose(scaling["label_std"][1].item(), np.sqrt(spread) + 1e-4, **close)


def test_the_validation_loss_is_a_weighted_mean(table, monkeypatch):
    """Over all steps and without the padding; a member with rich SEDs is not put behind."""
    module = StackedEnsemble(pool_of(table, SEED), "nu_peak", SEED)
    module.weight[:] = torch.linspace(0.5, 4, len(table))
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    module.eval()
    index = torch.tensor([[1, 5, 9, 11], [2, 3, -1, -1], [7, 8, 4, -1], [0, 1, 2, 3]])
    with torch.no_grad():
        for step in (index[:, :2], index[:, 2:]):
            module.validation_step(step)
        loss = module.loss(index.clamp(min=0))
        module.on_validation_epoch_end()
    for member, rows in enumerate(index):
        valid = rows >= 0
        expected = loss[member][valid].sum() / module.weight[rows[valid]].sum()
        torch.testing.assert_close(module.best_loss[member], expected)


def test_one_target_without_flux_labels(table):
    """An archive without flux labels trains the peak frequency alone."""
    table = table.copy()
    table["log_nufnu_peak"] = np.nan
    assert list(train_ensemble(table, replace(SMALL, epochs=1), progress=False)) == ["nu_peak"]


def test_too_few_sources(table):
    """More bags than can be filled is said."""
    with pytest.raises(ValueError, match="wanted two sources with a label in each of 5 bags, got"):
        train_ensemble(table[:7], replace(SMALL, n_bags=5), progress=False)
    just = replace(SMALL, n_bags=5, n_members=1, epochs=1, simulated=0)
    assert len(train_ensemble(table[:10], just, progress=False)) == 2


def test_a_refused_training_leaves_nothing(table, tmp_path):
    """Neither logs nor folders that were not there; what was there stays."""
    config = replace(SMALL, n_bags=5)
    for folder in (tmp_path / "new" / "one", tmp_path):
        with pytest.raises(ValueError, match="wanted two sources"):
            train_ensemble(table[:7], config, output=folder, progress=False)
        assert list(tmp_path.iterdir()) == []


def test_labels_that_cannot_be_learnt_leave_no_skill_out_of_bag(table):
    """Random labels: members know them by heart in bag, and know nothing out of bag."""
    rng = np.random.default_rng(2)
    table = table[:120].copy()
    table["log_nu_peak"] = rng.normal(14, 1, len(table))
    config = replace(
        SMALL, hidden=(64, 32), dropout=(0.0, 0.0), drop_bins=0.0, drop_bands=0.0, shared_bins=0.0
    )
    config = replace(config, epochs=150, learning_rate=1e-2, weight_decay=0.0)
    module = train._fit(pool_of(table, config), "nu_peak", config, None, False, False, {})
    bag = np.arange(len(table)) % 2
    ensemble = train._export(module, table, bag, "nu_peak", config)
    out_of_bag = ensemble.predict(table["binned"], bag).median()
    in_bag = ensemble.predict(table["binned"], 1 - bag).median()
    label = np.asarray(table["log_nu_peak"])
    assert np.corrcoef(label, in_bag)[0, 1] > 0.8
    assert abs(np.corrcoef(label, out_of_bag)[0, 1]) < 0.3


class Stop:
    """Interrupt a training at the start of an epoch."""

    def __init__(self, monkeypatch, epoch):
        original = StackedEnsemble.training_step

        def step(module, index):
            if module.current_epoch == epoch and module.target == "nu_peak":
                raise RuntimeError("power cut")
            return original(module, index)

        monkeypatch.setattr(StackedEnsemble, "training_step", step)


@pytest.mark.parametrize("recipe", [SMALL, SEED], ids=["default", "seed"])
def test_resume_gives_the_same_ensemble(table, tmp_path, monkeypatch, recipe):
    """A run cut off and resumed ends in the very bits of one that went through."""
    config = replace(recipe, epochs=4)
    whole = train_ensemble(table, config, progress=False)
    with monkeypatch.context() as patch:
        Stop(patch, 2)
        with pytest.raises(RuntimeError, match="power cut"):
            train_ensemble(table, config, output=tmp_path, progress=False)
    assert not list(tmp_path.glob("*.npz"))
    with pytest.raises(ValueError, match=r"another recipe \(epochs: was 4, now 5"):
        train_ensemble(table, replace(config, epochs=5), output=tmp_path, resume=True)
    resumed = train_ensemble(table, config, output=tmp_path, resume=True, progress=False)
    for target in whole:
        assert resumed[target].digest == whole[target].digest


def test_interrupt_is_an_interrupt(tmp_path, capsys, monkeypatch):
    """Ctrl-C ends with 130 and says how to go on; later ones are not ignored."""
    archive, output = tmp_path / "seds.zip", tmp_path / "ensemble"
    write_archive(archive, 40)

    def interrupt(module, index):
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    options = ["--bags", "2", "--members", "1", "--epochs", "1", "--simulated", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(StackedEnsemble, "training_step", interrupt)
        assert main(["train", str(archive), "-o", str(output), *options]) == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is handler
    assert not list(output.glob("*.npz"))
    assert main(["train", str(archive), "-o", str(output), *options, "--resume"]) == 0


def test_members_slow_down_one_by_one(table):
    """A member whose validation loss stands still learns at a tenth of the rate, others do not."""
    module = StackedEnsemble(pool_of(table, SEED), "nu_peak", SEED)
    module.log = lambda *args, **kwargs: None
    module.trainer = type("Trainer", (), {"current_epoch": 0})()
    for step in range(13):
        loss = torch.tensor([1.0, -step, 1.0, -step])
        module._losses = [(loss, torch.ones(4))]
        module.on_validation_epoch_end()
    np.testing.assert_allclose(module.rate.ravel(), [0.1, 1, 0.1, 1])


def test_each_member_keeps_its_best_epoch(table):
    """The weights of the epoch with the lowest validation loss of that member stay."""
    module = StackedEnsemble(pool_of(table, SEED), "nu_peak", SEED)
    module.log = lambda *args, **kwargs: None
    name = "0.weight"
    for epoch, loss in enumerate([[3, 1, 2, 2], [2, 2, 3, 1], [4, 0, 1, 3]]):
        module.trainer = type("Trainer", (), {"current_epoch": epoch})()
        with torch.no_grad():
            module.net.get_parameter(name).fill_(epoch)
        module._losses = [(torch.tensor(loss, dtype=torch.float), torch.ones(4))]
        module.on_validation_epoch_end()
    assert module.best_epoch.tolist() == [1, 2, 2, 1]
    assert [module.best[name][m].unique().item() for m in range(4)] == [1, 2, 2, 1]


def test_seed_preset_is_the_original(table):
    """Widths, dropout and optimizer of the original recipe, and it trains."""
    config = PRESETS["seed"]
    assert config.hidden == (152, 80, 72, 48)
    assert (config.batch_size, config.epochs, config.n_bags, config.n_members) == (64, 200, 5, 5)
    assert (config.networks, config.simulated) == ("normal", 0)
    assert (config.drop_bins, config.drop_bands, config.shared_bins) == (0, 0, 0)
    pool = pool_of(table, config)
    module = StackedEnsemble(pool, "nu_peak", config)
    shapes = [tuple(p.shape[1:]) for n, p in module.net.named_parameters() if "0.weight" in n]
    assert shapes[0] == (52, 152)
    assert isinstance(module.configure_optimizers(), torch.optim.Adam)
    config = replace(config, epochs=1, n_bags=2, n_members=1)
    ensemble = train_ensemble(table, config, progress=False)["nu_peak"]
    assert ensemble.grid is None
    assert np.isfinite(ensemble.source_columns["oob_std"]).all()


def test_dropped_bins_leave_at_least_four():
    """No sample loses so many bins that nothing is left to learn from."""
    torch.manual_seed(0)
    filled = torch.rand(3, 500, 26) < 0.5
    kept = network._drop_bins(filled, 0.45)
    assert not (kept & ~filled).any()
    assert (kept.sum(-1) >= torch.clamp(filled.sum(-1), max=4)).all()
    assert kept.sum() < filled.sum()


def test_shared_bins_are_those_of_another_sample():
    """Of the share that is asked for; at least four stay, and with none asked nothing changes."""
    torch.manual_seed(0)
    kinds = torch.zeros(2, 26, dtype=torch.bool)
    kinds[0, :16], kinds[1, 8:] = True, True
    filled = kinds[torch.arange(4000) % 2].expand(2, -1, -1)
    kept = network._share_bins(filled, 0.5)
    both = (kept == kinds[0] & kinds[1]).all(-1)
    assert (both | (kept == filled).all(-1)).all()
    assert abs(both.float().mean() - 0.25) < 0.02  # half of the others are of the same kind
    assert (network._share_bins(filled, 0.0) == filled).all()
    few = filled & (torch.arange(26) < 11)  # three in common
    assert (network._share_bins(few, 1.0) == few).all()


def test_whole_bands_are_dropped():
    """Bins that instruments measure together go together, of the share of samples that is asked."""
    torch.manual_seed(0)
    filled, band = torch.ones(2, 2000, 33, dtype=torch.bool), network._bands("v2")
    assert band.unique().tolist() == list(range(13))
    kept = network._drop_bands(filled, band, 0.25)
    for b in range(13):
        own = kept[..., band == b]
        assert (own.all(-1) | ~own.any(-1)).all()
        assert abs((~own[..., 0]).double().mean().item() - 0.25 * 0.3) < 0.02
    assert abs((~kept.all(-1)).double().mean().item() - 0.25 * (1 - 0.7**13)) < 0.02
    few = torch.zeros(1, 500, 33, dtype=torch.bool)
    few[..., [0, 5, 10, 15]] = True
    assert (network._drop_bands(few, band, 1.0) == few).all()


def test_labels_beyond_the_grid_are_at_its_end(table):
    """A target far outside would be flat but for rounding."""
    module = StackedEnsemble(pool_of(table, SMALL), "nu_peak", SMALL)
    logits = torch.zeros(1, 81)
    logits[0, 0] = 20.0
    loss = module.grid_loss(logits, torch.tensor([5.0, 11.0, 12.0]))
    assert loss[0] == loss[1] < loss[2]


def test_real_and_simulated_side_by_side(table, training_set):
    """A batch has as many simulated SEDs as real ones; an epoch is a pass over the real ones."""
    pool = pool_with_simulated(table, training_set, SMALL)
    orders = train._Orders(pool, 16, seed=0)
    steps = torch.stack(list(orders)).numpy()
    n_real = min(len(rows[~pool.simulated[rows]]) for rows in pool.train)
    assert steps.shape == (n_real // 16, 4, 32) == (len(orders), 4, 32)
    for member, rows in enumerate(pool.train):
        real, simulated = np.split(steps[:, member], 2, axis=1)
        assert len(np.unique(real)) == real.size
        assert not pool.simulated[real].any()
        assert pool.simulated[simulated].all()
        assert np.isin(steps[:, member], rows).all()
    orders.set_epoch(1)
    assert (torch.stack(list(orders)).numpy() != steps).any()


def test_grids_need_the_level():
    """What makes no sense is said when the recipe is made."""
    with pytest.raises(ValueError, match="wanted subtract_level=True"):
        TrainConfig(subtract_level=False)


def half_trained(training_set, folder, monkeypatch):
    """A training cut off in its third epoch."""
    table, points = training_set
    with monkeypatch.context() as patch:
        Stop(patch, 2)
        with pytest.raises(RuntimeError, match="power cut"):
            train_ensemble(table, SMALL, sampling=points, output=folder, progress=False)
    return folder / "logs" / "nu_peak" / "last.ckpt"


@pytest.mark.parametrize("change", ["sed", "label", "position", "sampling", "fewer"])
def test_resume_with_other_data_is_refused(training_set, tmp_path, monkeypatch, change):
    """Weights of one archive with the sources of another would be a false ensemble."""
    half_trained(training_set, tmp_path, monkeypatch)
    table, points = training_set[0].copy(), training_set[1]
    if change == "sed":
        table["binned"][3] += np.float32(1e-6)
    elif change == "label":
        table["log_nu_peak"][3] += 1e-9
    elif change == "position":
        table["ra"][3] += 1e-9
    elif change == "sampling":
        points = points._replace(nufnu=points.nufnu * (1 + 1e-12))
    else:
        table, points = table[:-1], select(points, np.arange(len(table) - 1))
    with pytest.raises(ValueError, match="cannot resume with other SEDs or labels"):
        train_ensemble(table, SMALL, sampling=points, output=tmp_path, resume=True)
    assert not list(tmp_path.glob("*.npz"))


def flipped(content, place):
    """Bytes with one bit changed."""
    content = bytearray(content)
    content[place] ^= 4
    return bytes(content)


def inside_the_numbers(content):
    """A place in the largest member of the zip: elsewhere may be padding, which means nothing."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return max(archive.infolist(), key=lambda m: m.file_size).header_offset + 500


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "garbage": lambda content: b"garbage " * 1000,
    "pickle": lambda content: b"cos\nsystem\n(S'touch was-run'\ntR.",
    "flipped": lambda content: flipped(content, inside_the_numbers(content)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_resume_from_a_damaged_checkpoint(training_set, tmp_path, monkeypatch, kind):
    """One clear error that names the file; nothing is trained on from it."""
    path = half_trained(training_set, tmp_path, monkeypatch)
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"last\.ckpt: damaged, or no checkpoint; start anew"):
        train_ensemble(
            training_set[0], SMALL, sampling=training_set[1], output=tmp_path, resume=True
        )
    assert not list(tmp_path.glob("*.npz"))
    assert not (tmp_path / "was-run").exists()


def test_flipped_bits_of_weights_are_found(training_set, tmp_path, monkeypatch):
    """Wherever the numbers of a checkpoint lie."""
    path = half_trained(training_set, tmp_path, monkeypatch)
    assert resume.checkpoint(path) == path
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        places = [m.header_offset + 500 for m in archive.infolist() if m.file_size > 1000]
    assert len(places) > 3
    for place in places:
        path.write_bytes(flipped(content, place))
        with pytest.raises(ValueError, match="damaged"):
            resume.checkpoint(path)


def test_resume_where_nothing_is(table, tmp_path):
    """No run, or what no training wrote, is said."""
    with pytest.raises(FileNotFoundError, match=r"run\.json: no training there to go on with"):
        train_ensemble(table, SMALL, output=tmp_path, resume=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "logs").mkdir()
    for text in ("", "[1]", "null"):
        (tmp_path / "logs" / "run.json").write_text(text)
        with pytest.raises(ValueError, match=r"run\.json: damaged"):
            train_ensemble(table, SMALL, output=tmp_path, resume=True)


def test_one_training_a_folder(table, tmp_path):
    """A second training in the folder of one that goes on is refused and spoils nothing."""
    pytest.importorskip("fcntl")
    refused = pytest.raises(ValueError, match="another training writes there")
    with resume.alone(tmp_path / "logs"), refused:
        train_ensemble(table, SMALL, output=tmp_path)
    assert not (tmp_path / "logs" / "run.json").exists()
    assert train_ensemble(table, replace(SMALL, epochs=1), output=tmp_path, progress=False)


def test_words_of_a_training(training_set):
    """What is done is said, phase by phase."""
    lines, (table, points) = [], training_set
    config = replace(SMALL, epochs=1)
    train_ensemble(table, config, sampling=points, progress=False, say=lines.append)
    assert lines[0].endswith(f"simulated SEDs beside {len(table)} real ones")
    assert lines[1] == "nu_peak: 4 networks, 1 epochs"
    assert lines[2].startswith("nu_peak: trained in ")
    assert len(lines) == 5


def test_train_help_tells_the_defaults(capsys):
    """Numbers of the recipe have one home."""
    assert main(["train", "-h"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"length of the training (default: {TrainConfig().epochs}; preset seed: 200)" in text
    assert "number of bags (default: 5)" in text


def test_pool_is_a_tuple_of_known_fields():
    """The seam between making samples and learning from them."""
    assert Pool._fields == ("binned", "label", "weight", "simulated", "train", "valid")


def write_archive(folder, n=24):
    """Simulated SEDs as files whose names hold their labels."""
    assert main(["simulate", "-n", str(n), "--seed", "3", "-o", str(folder), "--quiet"]) == 0


def test_train_command(tmp_path, capsys):
    """The command trains on what `blase simulate` writes, and overwrites nothing unasked."""
    archive, output = tmp_path / "seds.zip", tmp_path / "ensemble"
    write_archive(archive, 60)
    options = ["--bags", "2", "--members", "1", "--epochs", "1", "--simulated", "20", "--quiet"]
    assert main(["train", str(archive), "-o", str(output), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("nu_peak: ")
    assert "nufnu_peak: " in out
    assert Ensemble.load(output).n_bags == 2
    assert main(["train", str(archive), "-o", str(output), *options]) == 1
    assert "nu_peak.npz exists already; give --overwrite to replace it" in capsys.readouterr().err
    assert main(["train", str(archive), "-o", str(output), *options, "--overwrite"]) == 0


def test_train_command_errors(tmp_path, capsys):
    """A missing archive, a folder without SEDs and a wrong number are one line each."""
    output = str(tmp_path / "ensemble")
    assert main(["train", str(tmp_path / "nowhere.zip"), "-o", output]) == 1
    assert "nowhere.zip" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["train", str(tmp_path / "empty"), "-o", output]) == 1
    assert "blase: error:" in capsys.readouterr().err
    assert main(["train", "x", "-o", output, "--bags", "-3"]) == 2
    assert "wanted a whole number from 0, got -3" in capsys.readouterr().err
    assert not (tmp_path / "ensemble").exists()
