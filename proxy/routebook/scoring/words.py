"""Words that tell what a prompt is about: which belong to which group.

Written by hand for English prose; a word may stand in several groups. Groups are counted per hundred words of the
excerpt, so that a long text is not hard for being long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUPS: Final[Mapping[str, str]] = {
    "maths": """algebra algebraic angle arithmetic asymptotic axiom basis binomial calculus circle coefficient complex compute
        convergent convex coordinates cosine covariance cube cubic decimal degree denominator derivative determinant
        diagonal diameter differentiable differential digit digits divisible divisor domain eigenvalue eigenvalues ellipse
        equation equations evaluate exponent exponential expression factor factorial factors field finite fraction
        function functions geometric geometry graph group hexagon homomorphism hyperbola hypotenuse hypothesis induction
        inequality infinite integer integers integral integrate intercept interval inverse isomorphic kernel limit linear
        logarithm matrices matrix maximum mean median minimum modulo multiple multiply normal numerator orthogonal
        parabola parallel perimeter permutation perpendicular plane polygon polynomial polynomials prime primes
        probability product proof prove quadratic quadrilateral quotient radius random ratio rational rectangle
        recurrence regression remainder ring root roots sequence series simplify sine slope solution solutions solve
        sphere square squares subgroup subset subspace sum surjective tangent theorem triangle trigonometric variable
        variance vector vectors vertex vertices volume zeros""",
    "word problem": """age ages altogether apples bag bags bought boxes buy buys cents cost costs cookies day days dollars
        double doubled dozen each earn earned earns eggs every fewer gallon half hour hours how kids left less many miles
        minute minutes money month months more much older pages pay pays percent per pounds price remaining rest save
        saved sells shirts sold spend spends spent students ticket tickets times total twice week weekly weeks worth year
        years younger""",
    "physics": """acceleration amplitude atom atomic beam boson capacitor charge circuit coil collision conductivity current
        density diffraction electric electromagnetic electron electrons energy entropy enthalpy equilibrium force
        frequency friction gamma gravitational heat inductance inertia ion isotope joule joules kinetic laser lens
        magnetic mass momentum neutron newton newtons nuclear optical orbit oscillation particle photon photons plasma
        potential pressure proton quantum radiation reflection refraction relativity resistance resistor rocket semiconductor
        spectrum spin temperature thermal thermodynamic torque velocity voltage volt volts wave wavelength watts""",
    "chemistry": """acid acids alkaline alkane aqueous base bond bonds carbon catalyst chemical chlorine compound compounds
        concentration crystalline electrolysis electronegativity element enzyme ethanol gas hydrogen hydroxide ionic
        ionization ligand mole molar molecular molecule molecules moles nitrogen organic oxidation oxygen ph polymer
        reaction reagent sodium solute solubility solvent stoichiometric sulfate titration valence""",
    "biology": """allele allergic anatomy antibody antigen artery bacteria biological blood bone brain cancer cell cells
        chromosome clinical diagnosis disease dna dose drug embryo enzymes evolution fracture gene genes genetic genome
        heart hormone immune infection insulin kidney liver lung medical membrane metabolism mitosis muscle mutation nerve
        neuron nucleus organism pathogen patient patients phenotype photosynthesis plant pregnancy protein proteins rna
        species surgery symptom symptoms syndrome therapy tissue treatment tumor vaccine vein virus vitamin""",
    "law": """accused action agreement amendment appeal appellate arrest attorney bailee breach buyer clause common
        complaint constitution constitutional contract conviction counsel court courts crime criminal damages deed
        defendant defendants defense diversity doctrine due easement enforceable estate evidence farmer federal felony
        fraud guilty hearsay homicide injunction judge judgment jurisdiction jury landlord landowner lawsuit law lease
        legal liability liable license mortgage motion murder negligence negligent objection offense owner parties party
        petition plaintiff plaintiffs police probable prosecution prosecutor purchaser robbery seller statute sued supreme
        tenant testimony tort trial trespass trust verdict warrant will witness""",
    "economics": """account accounting aggregate asset assets balance bank bond bonds budget capital cash competitive consumer
        consumers corporation currency debt deficit demand depreciation dividend earnings economic economy elasticity
        equity exchange expenditure export federal firm fiscal gdp income inflation interest inventory invest investment
        investor liabilities loan macroeconomic marginal market markets monetary monopoly oligopoly portfolio price prices
        producer profit profits revenue salary sales savings shareholders shares stock supply surplus tariff tax taxes
        trade unemployment utility wage wages yield""",
    "humanities": """aesthetic ancient argues argument art author authority belief buddhism catholic century christian church
        civilization colonial communism congress conquest cultural culture democracy democratic divine dynasty election
        emperor empire enlightenment ethics faith feminist fallacy freedom god government hindu historical history hume
        islam kant king liberal literature marx medieval moral morality muslim nation nationalism novel parliament
        philosopher philosophy plato poem policy political politics pope president queen reform religion religious
        renaissance republic revolution rights ritual roman slavery socialism society soviet sovereignty theology treaty
        utilitarianism virtue war wars""",
    "psychology": """adolescent anxiety attachment attitude attitudes behavior behavioral child children client cognitive
        conditioning counseling counselor depression development developmental disorder emotion emotional freud gender
        intelligence learning memory mental motivation parent parents perception personality psychologist psychology
        psychological reinforcement relationship self sexual social stereotype stress teacher therapist""",
    "computing": """algorithm algorithms api array arrays async binary bit bits boolean browser buffer byte bytes cache class
        client cluster code command compile compiler complexity component concurrency container cpu css data database
        debug deploy docker encryption endpoint exception file files framework git hash heap html http implement
        implementation import index input instance interface java javascript json kernel kubernetes lambda linux list
        loop memory method module mutex network node numpy object output packet pandas parameter parser pointer process
        processor program protocol python query queue react recursion recursive regex register request response rust
        script server shell socket software sort sql stack string syntax table tcp test thread tree type typescript
        unix variable virtual yaml""",
    "programming": """angular ansible apache arduino aws azure bash bootstrap cpp csharp csv django docker dockerfile elasticsearch
        excel express fastapi firebase flask flutter github golang graphql html java javascript jquery json julia keras
        kotlin kubernetes laravel latex linux matlab mongodb mysql nextjs nginx node nodejs numpy odoo opencv pandas perl
        php postgres postgresql powershell python pytorch react redis regex ruby rust sql sqlite swift tensorflow
        terraform typescript unity vba vue webpack xml yaml""",
    "reasoning": """analyse analyze argue assess because cause compare conclude consequence consider contrast critically
        critique deduce demonstrate derive determine differ difference discuss evaluate examine explain explanation
        hence hypothesise implication implications imply implies infer interpret justify mechanism prove rationale reason
        reasoning show therefore thus tradeoff tradeoffs understand why""",
    "condition": """although assume assuming both cannot either except given however if neither nor only otherwise provided
        should suppose though unless until when whenever whereas whether while without would""",
    "quantity": """all any at average between difference equal exactly greater greatest highest larger largest least less
        lowest maximum minimum most number percentage rate smallest than total""",
    "negation": "cannot except false incorrect least neither never no none nor not untrue without",
    "constraint": """avoid bullet characters concise constraint constraints ensure exactly follow following format include
        json limit list markdown must numbered only output paragraph paragraphs required requirement requirements respond
        section sections should step steps strictly style table use using valid words""",
    "writing": """advertisement article biography blog caption compose creative description dialogue draft email essay
        fiction funny haiku headline humorous joke letter lyrics marketing message motto narrative outline persuasive
        pitch poem poetry post recipe rewrite rhyme review screenplay scene script slogan song sonnet speech story stories
        tagline tale title tone tweet write""",
    "extraction": """abstract bulletpoints categorize classify condense convert correct edit entities entity extract fix
        grammar highlight identify keywords label list paraphrase passage proofread rephrase rewrite sentiment shorten
        simplify spelling summarise summarize summary tag translate translation tldr""",
    "planning": """agenda architecture business campaign checklist design develop goal goals guide itinerary lesson manage
        optimize organize plan planning product project propose recommend recommendation roadmap schedule strategies
        strategy system team workshop workflow""",
    "small talk": """bye cheers good great hello hey hi lol morning nice night ok okay please sorry sure thank thanks
        welcome yeah yes""",
    "factoid": "called capital name named what when where which who whom whose",
    "role": "act assistant expert imagine pretend role scenario simulate you your",
}
"""The groups, each with its words."""


def _by_word() -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for place, words in enumerate(GROUPS.values()):
        for word in words.split():
            found.setdefault(word, []).append(place)
    return {word: tuple(places) for word, places in found.items()}


GROUP_NAMES: Final = tuple(GROUPS)
PLACES: Final[Mapping[str, tuple[int, ...]]] = _by_word()
"""The places among the groups that a word (lower case) counts for."""
