"""``python -m train.starter.calm DATA``: plain speech of many voices, which nobody meant to be anything but neutral.

It is read by the speech synthesisers of Debian's packages espeak-ng, flite and festival (with its festvox-* voices):
neutral by construction, in several languages, of voices that are in no corpus of emotions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmadfer import cli

FOLDER = "calm"
_SEED = 1
OUT = "{out}"
"""In a command: the WAV file to write."""

SENTENCES = {
    "en": (
        "The train to the city leaves from the second platform at a quarter past nine.",
        "Please put the books back on the shelf when you have finished reading them.",
        "There are three boxes of paper in the cupboard next to the door.",
        "We went to the market and bought some bread, two apples and a bottle of milk.",
        "The meeting has been moved to Thursday, in the same room as last week.",
        "It takes about twenty minutes to walk from the station to the library.",
        "My brother works in an office on the other side of the river.",
        "The new chairs are made of wood and the table is made of glass.",
    ),
    "de": (
        "Der Zug in die Stadt fährt um Viertel nach neun von Gleis zwei ab.",
        "Bitte stellen Sie die Bücher wieder in das Regal, wenn Sie fertig sind.",
        "Im Schrank neben der Tür liegen drei Kisten mit Papier.",
        "Die Besprechung ist auf Donnerstag verlegt worden, in denselben Raum.",
    ),
    "es": (
        "El tren a la ciudad sale del segundo andén a las nueve y cuarto.",
        "Hay tres cajas de papel en el armario que está al lado de la puerta.",
        "La reunión se ha cambiado al jueves, en la misma sala de la semana pasada.",
    ),
    "fr": (
        "Le train pour la ville part du deuxième quai à neuf heures et quart.",
        "Il y a trois boîtes de papier dans l'armoire à côté de la porte.",
        "La réunion est reportée à jeudi, dans la même salle que la semaine dernière.",
    ),
    "it": (
        "Il treno per la città parte dal secondo binario alle nove e un quarto.",
        "Ci sono tre scatole di carta nell'armadio accanto alla porta.",
        "La riunione è stata spostata a giovedì, nella stessa sala.",
    ),
    "pt": (
        "O comboio para a cidade parte da segunda linha às nove e um quarto.",
        "Há três caixas de papel no armário ao lado da porta.",
    ),
    "nl": (
        "De trein naar de stad vertrekt om kwart over negen van het tweede perron.",
        "Er liggen drie dozen papier in de kast naast de deur.",
    ),
    "sv": (
        "Tåget till staden går från andra spåret klockan kvart över nio.",
        "Det finns tre lådor med papper i skåpet bredvid dörren.",
    ),
    "pl": (
        "Pociąg do miasta odjeżdża z drugiego peronu kwadrans po dziewiątej.",
        "W szafie obok drzwi stoją trzy pudełka papieru.",
    ),
    "cs": (
        "Vlak do města odjíždí z druhého nástupiště ve čtvrt na deset.",
        "Ve skříni vedle dveří jsou tři krabice papíru.",
    ),
    "fi": (
        "Juna kaupunkiin lähtee toiselta raiteelta vartin yli yhdeksän.",
        "Oven vieressä olevassa kaapissa on kolme laatikkoa paperia.",
    ),
    "tr": (
        "Şehre giden tren dokuzu çeyrek geçe ikinci perondan kalkıyor.",
        "Kapının yanındaki dolapta üç kutu kağıt var.",
    ),
    "hu": ("A városba tartó vonat negyed tízkor indul a második vágányról.", "A szekrényben három doboz papír van."),
    "ca": (
        "El tren cap a la ciutat surt de la segona via a un quart de deu.",
        "A l'armari hi ha tres caixes.",
    ),
    "ru": (
        "Поезд в город отправляется со второго пути в четверть десятого.",
        "В шкафу у двери три коробки бумаги.",
    ),
    "el": ("Το τρένο για την πόλη φεύγει στις εννέα και τέταρτο.", "Στο ντουλάπι υπάρχουν τρία κουτιά χαρτί."),
    "hi": ("शहर जाने वाली गाड़ी सवा नौ बजे दूसरे मंच से निकलती है।", "दरवाज़े के पास अलमारी में काग़ज़ के तीन डिब्बे हैं।"),
    "mr": ("शहराकडे जाणारी गाडी सव्वा नऊ वाजता निघते.", "दाराजवळच्या कपाटात कागदाचे तीन डबे आहेत."),
    "te": ("నగరానికి వెళ్ళే రైలు తొమ్మిదింటికి బయలుదేరుతుంది.", "తలుపు పక్కన అలమరలో మూడు పెట్టెలు ఉన్నాయి."),
    "ur": ("شہر جانے والی گاڑی سوا نو بجے روانہ ہوتی ہے۔", "دروازے کے پاس الماری میں کاغذ کے تین ڈبے ہیں۔"),
    "fa": ("قطار شهر ساعت نه و ربع حرکت می‌کند.", "در کمد کنار در سه جعبه کاغذ هست."),
    "cmn": ("去城里的火车九点一刻从第二站台出发。", "门旁边的柜子里有三箱纸。"),
}
_ESPEAK_VARIANTS = (
    *("male1", "male2", "male3", "male4", "male5", "male6", "male7", "male8", "female1", "female2", "female3"),
    *("female4", "female5", "Andy", "Annie", "Diogo", "Linda", "Michael", "Michel", "Alicia", "Steph", "grandma"),
)
_FLITE = ("awb", "kal16", "rms", "slt")
_FESTIVAL = {
    "cmu_us_slt_arctic_hts": "en",
    "ked_diphone": "en",
    "kal_diphone": "en",
    "upc_ca_ona_hts": "ca",
    "czech_dita": "cs",
    "czech_krb": "cs",
    "czech_machac": "cs",
    "czech_ph": "cs",
    "hy_fi_mv_diphone": "fi",
    "suo_fi_lj_diphone": "fi",
    "lp_diphone": "it",
    "pc_diphone": "it",
    "hindi_NSK_diphone": "hi",
    "marathi_NSK_diphone": "mr",
    "telugu_NSK_diphone": "te",
    "msu_ru_nsh_clunits": "ru",
}


@dataclass(frozen=True)
class Reading:
    """One sentence by one voice."""

    name: str
    """Synthesiser, voice and number, as in the file's name."""
    command: tuple[str, ...]
    """Reads the text from its standard input or its arguments and writes `OUT`."""
    text: str


def readings() -> Iterator[Reading]:
    """Yield what is to be read, always the same."""
    rng = np.random.default_rng(_SEED)
    for language, sentences in SENTENCES.items():
        for number, sentence in enumerate(sentences):
            for variant in rng.choice(_ESPEAK_VARIANTS, 9, replace=False):
                speed, pitch = int(rng.integers(125, 190)), int(rng.integers(25, 75))
                voice = ("-v", f"{language}+{variant}", "-s", f"{speed}", "-p", f"{pitch}")
                yield Reading(f"espeak_{language}_{variant}_{number}", ("espeak-ng", *voice, "-w", OUT), sentence)
    for name in _FLITE:
        for number, sentence in enumerate(SENTENCES["en"]):
            yield Reading(f"flite_en_{name}_{number}", ("flite", "-voice", name, "-o", OUT, "-t", sentence), "")
    for name, language in _FESTIVAL.items():
        for number, sentence in enumerate(SENTENCES[language]):
            command = ("text2wave", "-eval", f"(voice_{name})", "-o", OUT)
            yield Reading(f"festival_{language}_{name}_{number}", command, sentence)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the speech; returns the exit code."""
    parser = cli.Parser("python -m train.starter.calm", "Make calm speech for training the starter weights.")
    parser.add_argument("data", type=Path, metavar="DATA", help=f"folder of the starter data; {FOLDER}/ is made in it")
    return cli.run(parser, _make, argv)


def _make(arguments: argparse.Namespace) -> int:
    wanted = list(readings())
    missing = sorted({each.command[0] for each in wanted if shutil.which(each.command[0]) is None})
    if missing:
        raise FileNotFoundError(
            f"{', '.join(missing)} cannot be found; install Debian's espeak-ng, flite, festival and the festvox voices "
            "that this file names"
        )
    folder = arguments.data / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    silent = [each.name for each in wanted if not _read(each, folder / f"{each.name}.flac")]
    left_out = f"; without those that said nothing: {', '.join(silent)}" if silent else ""
    sys.stdout.write(f"{len(wanted) - len(silent)} sentences in {folder}{left_out}\n")
    return 0


def _read(reading: Reading, path: Path) -> bool:
    """Write one sentence as FLAC at 16 kHz; return whether anything was said."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "said.wav"
        command = [str(out) if part == OUT else part for part in reading.command]
        subprocess.run(command, input=reading.text.encode(), capture_output=True, check=False, timeout=60)
        if not out.is_file() or out.stat().st_size < 8000:
            return False
        flac = Path(temporary) / "said.flac"
        convert = ["ffmpeg", "-v", "error", "-i", str(out), "-ac", "1", "-ar", "16000", str(flac)]
        if subprocess.run(convert, capture_output=True, check=False).returncode:
            return False
        shutil.move(flac, path)
    return True


if __name__ == "__main__":
    sys.exit(main())
