"""What of a model goes to a file: its weights; or all of it, so that training can go on.

A file of a whole model has, beside the arrays, the configurations of the model, its optimizer, its
loss and its metrics as plain data (`minigrad.models.archive`). Nothing in it is code: own layers
are found by the names under which they were registered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import layers, losses, metrics, optimizers, random
from minigrad.autograd import Tensor
from minigrad.models.archive import SHOWN, FilePath, read_arrays, write_arrays
from minigrad.models.losses import Losses
from minigrad.models.parts import named_weights

if TYPE_CHECKING:
    from minigrad.models.model import Model

__all__ = ["clone_model", "load_model", "read_weights", "save_model", "write_weights"]

# Before the names of arrays that are no weights; no weight's name has a slash.
OPTIMIZER, CALLBACKS = "optimizer/", "callbacks/"


def write_weights(path: FilePath, weights: Mapping[str, Tensor]) -> None:
    """Write named weights to a file, all or nothing; see `write_arrays`."""
    write_arrays(path, {name: weight.numpy() for name, weight in weights.items()})


def read_weights(path: FilePath, weights: Mapping[str, Tensor]) -> None:
    """Put the weights in a file in place of `weights`, all or nothing.

    Parameters
    ----------
    path : str or path-like
        A file made by `write_weights` or `save_model`.
    weights : mapping of str to Tensor
        Must have the names and shapes of those in the file. The values are converted to their
        dtypes.

    Raises
    ------
    FileNotFoundError, ValueError
        See `read_arrays`; and if names or shapes differ. No weight has changed then.
    """
    _assign(path, read_arrays(path)[0], weights)


def save_model(model: Model, path: FilePath, include_optimizer: bool = True) -> None:
    """Write a built model to a file, all or nothing: see `Model.save`."""
    compiled = include_optimizer and model._metrics is not None
    arrays, order = _state(model, compiled)
    info = {"model": layers.serialize(model), "build": model.get_build_config()}
    if compiled:
        info["compile"] = {
            "optimizer": optimizers.serialize(model.optimizer),
            **_serialized(model),
        }
        info["optimized"] = order
    try:
        json.dumps(info, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The model '{model.name}' cannot be saved: a get_config() returned something that "
            f"JSON cannot hold, nothing was written. {error}"
        ) from None
    write_arrays(path, arrays, info)


def load_model(path: FilePath, compile: bool = True) -> Any:
    """Return a new model that is equal to the one in a file.

    Parameters
    ----------
    path : str or path-like
        Written by ``model.save``.
    compile : bool
        Also compile it as the saved one was, with the state of the optimizer.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds weights only, is damaged, comes from a newer version, or has parts whose
        classes are not registered here.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.Input((3,)), mg.layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder) / "model.npz")
    ...     copy = mg.models.load_model(pathlib.Path(folder) / "model.npz")
    >>> copy.count_params()
    8
    """
    arrays, info = read_arrays(path)
    if "model" not in info:
        raise ValueError(
            f"{os.fspath(path)!r} holds the weights of a model, but not the model: make the model "
            "and call its load_weights()."
        )
    try:
        model = layers.deserialize(info["model"])
        model.build_from_config(info["build"])
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The model in {os.fspath(path)!r} cannot be made. Own layers and functions must be "
            f"registered before, with layers.register for instance. {error}"
        ) from error
    weights = named_weights(model)
    _assign(path, arrays, weights)
    if compile and "compile" in info:
        parts = info["compile"]
        model.compile(**parts)
        _load_optimizer(path, model, arrays, info["optimized"])
    return model


def _serialized(model: Model) -> dict[str, Any]:
    """Return the loss and the metrics as arguments for `compile`."""
    loss, found = model.loss, model._compiled("saving")
    if not isinstance(loss, Losses):
        each = [metrics.serialize(part) for part in found.parts()]
        whole = {"loss": losses.serialize(loss), "loss_weights": model.loss_weight, "metrics": each}
        if model.loss_weight == 1:
            del whole["loss_weights"]
        named = model.output_names is None and any(model._given_names)
        return {key: {model._given_names[0]: whole[key]} for key in whole} if named else whole
    return {
        "loss": dict(zip(loss.names, map(losses.serialize, loss.losses), strict=True)),
        "loss_weights": dict(zip(loss.names, loss.weights, strict=True)),
        "metrics": {
            name: [metrics.serialize(part) for part in found.parts(place)]
            for place, name in enumerate(loss.names)
        },
    }


def backup_training(model: Model, path: FilePath, info: Mapping[str, Any]) -> None:
    """Write what the rest of a training depends on: weights, optimizer, random numbers, `info`."""
    arrays, order = _state(model, True)
    rate = model.optimizer.get_rate()
    state = {
        "optimized": order,
        "learning_rate": None if callable(rate) else rate,
        "random": random.generator().bit_generator.state,
        "layers": [g and g.bit_generator.state for g in _generators(model)],
    }
    plain = _outsourced(dict(info), arrays)
    write_arrays(path, arrays, {"training": {**plain, "state": state}})


def restore_training(model: Model, path: FilePath, callbacks: list[str]) -> dict[str, Any]:
    """Put back what `backup_training` wrote, all or nothing, and return its `info`.

    `callbacks` are the kinds of those that remember anything; they must be those of the file.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is damaged, or belongs to another model or optimizer.
    """
    arrays, header = read_arrays(path)
    if "training" not in header:
        raise ValueError(f"{os.fspath(path)!r} is not the backup of a training.")
    info: dict[str, Any] = header["training"]
    state, weights = info["state"], named_weights(model)
    kinds = [kind for kind, _ in info["callbacks"]]
    if kinds != callbacks:
        raise ValueError(
            f"The training in {os.fspath(path)!r} had the callbacks {kinds}, nothing was loaded. "
            f"Received: {callbacks}"
        )
    _check(path, arrays, weights)
    _load_optimizer(path, model, arrays, state["optimized"])
    _assign(path, arrays, weights)
    if state["learning_rate"] is not None:
        model.optimizer.learning_rate = state["learning_rate"]
    random.generator().bit_generator.state = state["random"]
    for generator, saved in zip(_generators(model), state["layers"], strict=True):
        if generator is not None:
            generator.bit_generator.state = saved
    restored: dict[str, Any] = _brought_back(info, arrays)
    return restored


def _outsourced(value: Any, arrays: dict[str, Any]) -> Any:
    """Return nested data with names in place of its arrays, which are added to `arrays`."""
    if isinstance(value, np.ndarray):
        name = f"{CALLBACKS}{len(arrays)}"
        arrays[name] = value
        return {CALLBACKS: name}
    if isinstance(value, dict):
        return {key: _outsourced(part, arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_outsourced(part, arrays) for part in value]
    return value


def _brought_back(value: Any, arrays: Mapping[str, Any]) -> Any:
    """Undo `_outsourced`."""
    if isinstance(value, dict):
        if CALLBACKS in value:
            return arrays[value[CALLBACKS]]
        return {key: _brought_back(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_brought_back(part, arrays) for part in value]
    return value


def _generators(model: Model) -> list[np.random.Generator | None]:
    """Return the own source of random numbers of every layer that has one."""
    return [getattr(layer, "_generator", None) for layer in model._tree()]


def _state(model: Model, with_optimizer: bool) -> tuple[dict[str, Any], list[str]]:
    """Return all arrays of a model and its optimizer, and the names of the weights it knows.

    The optimizer's state has no names of its own, but the order of these weights.
    """
    weights = named_weights(model)
    arrays = {name: weight.numpy() for name, weight in weights.items()}
    if not with_optimizer:
        return arrays, []
    names = {id(weight): name for name, weight in weights.items()}
    known = [weight for weight in model.optimizer.parameters if id(weight) in names]
    state = model.optimizer.state_dict(known)  # there may be weights of other models
    arrays.update({OPTIMIZER + name: array for name, array in state.items()})
    return arrays, [names[id(weight)] for weight in known]


def _load_optimizer(
    path: FilePath, model: Model, arrays: Mapping[str, Any], order: list[str]
) -> None:
    weights = named_weights(model)
    model.optimizer.build([weights[name] for name in order])
    state = {n.removeprefix(OPTIMIZER): a for n, a in arrays.items() if n.startswith(OPTIMIZER)}
    try:
        model.optimizer.load_state_dict(state)
    except ValueError as error:
        raise ValueError(
            f"{os.fspath(path)!r} is of another optimizer, nothing was loaded. {error}"
        ) from error
    model._check_optimizer()  # from now on it belongs to this model


def clone_model(model: Any) -> Any:
    """Return a model with the same configuration and new weights.

    Parameters
    ----------
    model : Model
        If it is built, so is the new one. It is not compiled.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.Input((3,)), mg.layers.Dense(2)])
    >>> copy = mg.models.clone_model(model)
    >>> copy.built, copy.weights[0] is model.weights[0]
    (True, False)
    """
    copy = type(model).from_config(model.get_config())
    if model.built:
        copy.build_from_config(model.get_build_config())
    return copy


def _check(
    path: FilePath, arrays: Mapping[str, np.ndarray[Any, Any]], weights: Mapping[str, Tensor]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights in a file; raise ValueError if they do not fit those of a model."""
    others = (OPTIMIZER, CALLBACKS)
    arrays = {name: array for name, array in arrays.items() if not name.startswith(others)}
    differences = []
    for name, weight in weights.items():
        if name not in arrays:
            differences.append(f"{name} {weight.shape} is not in the file")
        elif arrays[name].shape != weight.shape:
            differences.append(
                f"{name} has shape {weight.shape} in the model and {arrays[name].shape} in the file"
            )
    for name, array in arrays.items():
        if name not in weights:
            differences.append(f"{name} {array.shape} is not in the model")
    if differences:
        more = len(differences) - SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise ValueError(
            f"The weights in {os.fspath(path)!r} do not fit this model, nothing was loaded: "
            f"{'; '.join(differences[:SHOWN])}{tail}."
        )
    return arrays


def _assign(
    path: FilePath, arrays: Mapping[str, np.ndarray[Any, Any]], weights: Mapping[str, Tensor]
) -> None:
    """Give all weights their values from a file, or none if anything differs."""
    arrays = _check(path, arrays, weights)
    for name, weight in weights.items():
        weight.assign(arrays[name])
