"""Which CNN at which input size: what each gives with frozen towers and trained heads, and what it costs.

For each choice: recall on the dev split and recall@1 of class names, after the heads alone were trained for a few
epochs on frozen features (as ``revln train align`` trains them, with the text encoder frozen); photos a second of the
bare CNN with one stream a core; size of its weights. Needs the extra ``train``.

    python benchmarks/towers.py FLICKR8K CLASS_NAMED_PHOTOS --cache DIRECTORY

CLASS_NAMED_PHOTOS is a folder of ``ID_class_name.jpg``. Takes about 40 minutes for all choices on two cores, most of it
for features, which the cache keeps.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from common import finish, parser
from revln.images import Transform
from revln.metrics import recall_at, retrieval_recall
from revln.models import cores
from revln.models.tower import open_session
from revln.sources import read_captions, read_split
from revln.train import efficientnet, minilm
from revln.train.class_names import ClassFeatures, load_class_names
from revln.train.config import AlignConfig
from revln.train.features import Trunk, cached_features
from revln.train.losses import info_nce
from revln.train.onnx_files import export_onnx
from revln.train.pairs import CAPTIONS_PER_IMAGE, AlignData
from revln.train.progress import Progress
from revln.train.text_encoders import in_chunks
from revln.train.towers import ImageHead, TextTower

CHOICES = ("lite0-224", "lite1-240", "lite2-224", "lite2-240", "lite2-260")


class FrozenSentences(torch.nn.Module):
    """Stands for the text encoder: a sentence's "token id" is its row in a table of MiniLM's vectors."""

    width = minilm.WIDTH

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Vectors [n, 384] of row numbers [n, 1]."""
        return self.table[ids[:, 0]]


def sentence_table(sentences: list[str], cache: Path) -> torch.Tensor:
    """MiniLM's vectors [n, 384] of sentences."""
    file = cache / f"sentences-{len(sentences)}.npy"
    if file.exists():
        return torch.from_numpy(np.load(file))
    encoder = minilm.load_pretrained().eval()
    tokens = [encoding.ids[:64] for encoding in minilm.load_tokenizer().encode_batch(sentences)]
    with torch.inference_mode():
        table = in_chunks(encoder, tokens)
    np.save(file, table.numpy())
    return table


def throughput(variant: str, side: int) -> tuple[float, float]:
    """Photos a second of the bare CNN, one stream a core, and megabytes of its weights in half precision."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "trunk.onnx"
        trunk = Trunk(efficientnet.load_pretrained(variant), variant).eval()
        export_onnx(trunk, {"pixels": torch.zeros(1, side, side, 3, dtype=torch.uint8)}, ["features"], file)
        session = open_session(file, threads=1)
        pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)

        def run(times: int) -> None:
            for _ in range(times):
                session.run(None, {"pixels": pixels})

        run(5)
        started = time.perf_counter()
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(run, [60] * cores()))
        rate = 60 * cores() / (time.perf_counter() - started)
    megabytes = sum(parameter.numel() for parameter in trunk.parameters()) * 2 / 1e6
    return rate, megabytes


def main() -> None:
    """Prints a row for each choice."""
    arguments = parser(__doc__)
    arguments.add_argument("data", type=Path, help="folder with images/, captions.txt, train.txt, dev.txt")
    arguments.add_argument("named", type=Path, help="folder of ID_class_name.jpg")
    arguments.add_argument("--cache", type=Path, required=True, help="directory for features")
    arguments.add_argument("--choices", nargs="+", default=CHOICES)
    arguments.add_argument("--epochs", type=int, default=20)
    arguments.add_argument("--dims", type=int, nargs="+", default=[384])
    given = arguments.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    data = AlignData.in_folder(given.data)
    captions = read_captions(data.captions["en"])
    train, dev = read_split(data.train), read_split(data.dev)
    named = sorted(given.named.glob("*.jpg"))
    queries = [path.stem.split("_", 1)[1].replace("_", " ") for path in named]
    class_names = load_class_names()
    sentences: list[str] = []

    def rows(texts: tuple[str, ...] | list[str]) -> list[int]:
        sentences.extend(texts)
        return list(range(len(sentences) - len(texts), len(sentences)))

    train_rows = [rows(captions[name][:CAPTIONS_PER_IMAGE]) for name in train]
    dev_rows = [rows(captions[name][:CAPTIONS_PER_IMAGE]) for name in dev]
    class_rows = [rows(names) for names in class_names]
    query_rows = rows(queries)
    table = sentence_table(sentences, given.cache)

    results = {}
    print(
        f"{'choice':>14} {'i2t R@1':>8} {'R@10':>6} {'t2i R@1':>8} {'R@10':>6} "
        f"{'class R@1':>10} {'photos/s':>9} {'MB':>6}"
    )
    for choice in given.choices:
        variant, side = choice.split("-")
        transform = Transform(int(side), 1.0)

        def features(paths: list[Path]) -> torch.Tensor:
            progress = Progress(f"features of {choice}", len(paths))  # noqa: B023
            trunk = Trunk(efficientnet.load_pretrained(variant), variant)  # noqa: B023
            return cached_features(paths, trunk, transform, 0, given.cache, progress).pooled  # noqa: B023

        train_features = features([data.images / name for name in train])
        dev_features = features([data.images / name for name in dev])
        named_features = features(named)
        rate, megabytes = throughput(variant, int(side))
        for dim in given.dims:
            config = dataclasses.replace(AlignConfig(), vision=variant, image_size=int(side), dim=dim, visual_dim=0)
            head, tower = train_heads(config, table, train_features, train_rows, class_rows, given.epochs)
            with torch.inference_mode():
                vectors = {
                    name: head(part)[0].numpy() for name, part in (("dev", dev_features), ("named", named_features))
                }
                texts = {
                    name: in_chunks(tower.joint, [[row] for row in part]).numpy()
                    for name, part in (("dev", [row for group in dev_rows for row in group]), ("named", query_rows))
                }
            owners = np.repeat(np.arange(len(dev)), [len(group) for group in dev_rows])
            recall = retrieval_recall(vectors["dev"], texts["dev"], owners)
            scores = texts["named"] @ vectors["named"].T
            own = np.diagonal(scores)[:, None]
            by_name = recall_at((scores >= own).sum(1) - 1)
            i2t, t2i = recall["image_to_text"], recall["text_to_image"]
            results[f"{choice} dim {dim}"] = {
                "image_to_text": i2t,
                "text_to_image": t2i,
                "class_names": by_name,
                "photos_per_second": round(rate, 1),
                "megabytes_fp16": round(megabytes, 1),
            }
            print(
                f"{choice + f'/{dim}':>14} {i2t['R@1']:>8} {i2t['R@10']:>6} {t2i['R@1']:>8} {t2i['R@10']:>6} "
                f"{by_name['R@1']:>10} {rate:>9.1f} {megabytes:>6.1f}",
                flush=True,
            )
    finish("towers", epochs=given.epochs, choices=results)


def train_heads(
    config: AlignConfig,
    table: torch.Tensor,
    features: torch.Tensor,
    captions: list[list[int]],
    class_rows: list[list[int]],
    epochs: int,
    batch: int = 1024,
) -> tuple[ImageHead, TextTower]:
    """Both heads, trained as ``revln train align`` does over frozen towers."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    classifier = efficientnet.load_pretrained(config.vision)._fc
    head, tower = ImageHead(config, classifier), TextTower(FrozenSentences(table), config)
    head.fit_statistics(features)
    with torch.no_grad():
        for index, names in enumerate(class_rows):
            mean = in_chunks(tower.eval().joint, [[row] for row in names]).mean(0)
            head.class_vectors[index] = mean / mean.norm()
    drawn = ClassFeatures(features, classifier)
    scales = torch.nn.Parameter(torch.full((2,), float(np.log(20))))
    parameters = [*(p for p in head.parameters() if p.requires_grad), *tower.parameters(), scales]
    optimizer = torch.optim.AdamW(parameters, lr=config.head_rate, weight_decay=config.weight_decay)
    steps = epochs * (len(captions) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.head_rate, total_steps=steps, pct_start=0.1)
    head.train(), tower.train()
    for step in range(steps):
        if step % (len(captions) // batch) == 0:
            order = rng.permutation(len(captions))
        part = order[(step * batch) % (len(captions) // batch * batch) :][:batch]
        photos = features[torch.from_numpy(part)]
        texts = in_chunks(tower.joint, [[captions[i][rng.integers(len(captions[i]))]] for i in part])
        loss = info_nce(head.joint(photos, head.classifier(photos)), texts, scales[0])
        classes = rng.choice(len(class_rows), 512, replace=False)
        names = in_chunks(tower.joint, [[class_rows[c][rng.integers(len(class_rows[c]))]] for c in classes])
        prototypes = drawn.draw(torch.from_numpy(classes), generator)
        class_vectors = head.joint(prototypes, head.classifier(prototypes))
        loss = loss + config.prototype_weight * info_nce(class_vectors, names, scales[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval(), tower.eval()


if __name__ == "__main__":
    main()
