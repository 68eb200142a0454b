"""Models that learn to make image features of a class from noise: SHIP's VAE, and a GAN in its place.

Each has ``loss(batch)`` over features of classes with images, and ``synthesize(labels, generator)`` for any class.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.stages import Batch
from promptlab.learners.ship.decoders import (
    Activation,
    Decoder,
    PromptDecoder,
    ScratchDecoder,
    mlp,
    small_linear,
)
from promptlab.prompts.class_texts import ClassTexts
from promptlab.support.transfers import sent

GeneratorName = Literal["vae", "gan", "vae_scratch_decoder"]


class FeatureGenerator(nn.Module):
    """A decoder and what trains it; the latent has the width of a feature, D.

    Args:
        decoder: latents and classes to features.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def loss(self, batch: Batch) -> Tensor:
        """What the generator minimises on features of classes with images."""
        raise NotImplementedError

    def synthesize(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        """Features (B, D), L2-normalised, of classes (B,), from latents drawn from N(0, 1)."""
        z = self.noise(len(labels), generator)
        classes = tuple(labels.tolist()) if labels.device.type == "cpu" else None
        features: Tensor = self.decoder(z, sent(labels, z.device), classes)
        return features

    def noise(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Latents (count, D) from N(0, 1), drawn on the CPU."""
        clip = self.decoder.clip
        return sent(torch.randn(count, clip.dim, generator=generator), clip.device)

    def rebind(self, class_names: Sequence[str], template: str) -> Self:
        """The same weights for other names."""
        other = copy.copy(self)
        other._modules = self._modules.copy()
        other.decoder = self.decoder.rebind(class_names, template)
        return other


class VAE(FeatureGenerator):
    """A variational autoencoder whose encoder sees the feature alone (the authors' code leaves the class out).

    Args:
        decoder: latents and classes to features.
        hidden: width of the encoder's hidden layer.
        generator: source of the random start.
    """

    def __init__(self, decoder: Decoder, *, hidden: int, generator: torch.Generator) -> None:
        super().__init__(decoder)
        self.encoder = Encoder(decoder.clip.dim, hidden, generator).to(decoder.clip.device)

    def loss(self, batch: Batch) -> Tensor:
        """:func:`vae_loss` of features (B, D) and classes (B,)."""
        mean, log_var = self.encoder(batch.inputs)
        z = mean + (0.5 * log_var).exp() * self.noise(len(mean), batch.generator)
        return vae_loss(self.decoder(z, batch.labels, batch.classes), batch.inputs, mean, log_var)


class Encoder(nn.Module):
    """Features (B, D) to the mean and the log-variance of their latents, (B, D) each."""

    def __init__(self, width: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.net = nn.Sequential(small_linear(width, hidden, generator), nn.ReLU())
        self.mean = small_linear(hidden, width, generator)
        self.log_var = small_linear(hidden, width, generator)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        h = self.net(features)
        return self.mean(h).float(), self.log_var(h).float()


def vae_loss(reconstruction: Tensor, features: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Squared distance plus the divergence from N(0, 1), both summed over D and averaged over B.

    Args:
        reconstruction: (B, D).
        features: (B, D).
        mean: (B, Z) of the latents.
        log_var: (B, Z) of the latents.
    """
    distance = (reconstruction - features).square().sum(1).mean()
    divergence = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1).mean()
    return distance + divergence


class WGAN(FeatureGenerator):
    """A conditional Wasserstein GAN with gradient penalty; the critic is told the class by its text feature.

    The paper says no more than that the VAE was replaced by a GAN. Readings of ours: the critic has one hidden layer,
    and critic and generator step together, each with the other held fixed.

    Args:
        decoder: latents and classes to features.
        hidden: width of the critic's hidden layer.
        text_features: (C, D) of the classes' hand-written prompts.
        generator: source of the random start.
    """

    penalty = 10.0

    def __init__(self, decoder: Decoder, *, hidden: int, text_features: Tensor, generator: torch.Generator) -> None:
        super().__init__(decoder)
        critic = mlp(2 * decoder.clip.dim, hidden, 1, "leaky_relu", generator, last_bias=False)  # a bias would cancel
        self.critic = critic.to(decoder.clip.device)
        self._text_features = text_features

    def loss(self, batch: Batch) -> Tensor:
        """The critic's loss with the generator fixed, plus the generator's with the critic fixed."""
        real, text = batch.inputs, self._text_features[batch.labels]
        fake = self.decoder(self.noise(len(real), batch.generator), batch.labels, batch.classes)
        critic_loss = self._judge(fake.detach(), text).mean() - self._judge(real, text).mean()
        critic_loss = critic_loss + self.penalty * self._slope(real, fake.detach(), text, batch.generator)
        fixed = {name: parameter.detach() for name, parameter in self.critic.named_parameters()}
        fooled: Tensor = functional_call(self.critic, fixed, (torch.cat([fake, text], dim=1),))
        return critic_loss - fooled.mean()

    def rebind(self, class_names: Sequence[str], template: str) -> Self:
        """The same weights for other names."""
        other = super().rebind(class_names, template)
        other._text_features = ClassTexts(self.decoder.clip, class_names, template=template).features
        return other

    def _judge(self, features: Tensor, text: Tensor) -> Tensor:
        judged: Tensor = self.critic(torch.cat([features, text], dim=1))
        return judged

    def _slope(self, real: Tensor, fake: Tensor, text: Tensor, generator: torch.Generator | None) -> Tensor:
        """Mean squared distance of the critic's slope from 1, between real and made features."""
        share = sent(torch.rand(len(real), 1, generator=generator), real.device)
        with torch.enable_grad():
            between = (share * real + (1 - share) * fake).requires_grad_()
            judged = self._judge(between, text).sum()
            (slope,) = torch.autograd.grad(judged, between, create_graph=True)
        steepness: Tensor = (slope.norm(dim=1) - 1).square().mean()
        return steepness


def make_generator(
    name: GeneratorName,
    clip: FrozenCLIP,
    class_names: Sequence[str],
    template: str,
    *,
    n_ctx: int,
    hidden: int,
    encoder_width: int,
    activation: Activation,
    generator: torch.Generator,
) -> FeatureGenerator:
    """The model of a name.

    Args:
        name: ``vae``, ``gan``, or ``vae_scratch_decoder``.
        clip: the frozen backbone.
        class_names: names of the C classes.
        template: their hand-written prompt.
        n_ctx: M, context vectors of generated prompts.
        hidden: width of the decoder's hidden layer.
        encoder_width: width of the encoder's or the critic's.
        activation: of the decoder.
        generator: source of the random start.
    """
    common: dict[str, Any] = {"hidden": hidden, "activation": activation, "generator": generator}
    if name == "vae_scratch_decoder":
        scratch = ScratchDecoder(clip, class_names, template, **common)
        return VAE(scratch, hidden=encoder_width, generator=generator)
    decoder = PromptDecoder(clip, class_names, template, n_ctx=n_ctx, **common)
    if name == "vae":
        return VAE(decoder, hidden=encoder_width, generator=generator)
    text_features = ClassTexts(clip, class_names, template=template).features
    return WGAN(decoder, hidden=encoder_width, text_features=text_features, generator=generator)
