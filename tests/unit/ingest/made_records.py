"""One made trial in both shapes of the registry, written by hand as the registry writes them."""

from __future__ import annotations

import copy
import json
from typing import Any

XML = """\
<clinical_study>
  <!-- This xml conforms to an XML Schema at:
    https://clinicaltrials.gov/ct2/html/images/info/public.xsd -->
  <required_header><url>https://clinicaltrials.gov/show/NCT09000001</url></required_header>
  <id_info>
    <org_study_id>MADE-1</org_study_id>
    <nct_id>NCT09000001</nct_id>
  </id_info>
  <brief_title>Drug A &amp; Drug B in Café Workers</brief_title>
  <official_title>A Randomized Trial of Drug A</official_title>
  <sponsors><lead_sponsor><agency>VA</agency><agency_class>U.S. Fed</agency_class></lead_sponsor></sponsors>
  <brief_summary>
    <textblock>
      The purpose of this trial is to see whether drug A, given twice a day to people who work in&#xD;
      cafés, is better than drug B.&#xD;
&#xD;
      It is not.&#xD;
    </textblock>
  </brief_summary>
  <detailed_description><textblock>
      OUTLINE: People are randomized to one of two arms [1:1].

      ARM I: A&lt;B
  </textblock></detailed_description>
  <overall_status>Active, not recruiting</overall_status>
  <start_date>June 2015</start_date>
  <completion_date type="Anticipated">December 31, 2018</completion_date>
  <primary_completion_date type="Actual">June 5, 2017</primary_completion_date>
  <phase>Phase 1/Phase 2</phase>
  <study_type>Interventional</study_type>
  <has_expanded_access>No</has_expanded_access>
  <study_design_info>
    <allocation>Non-Randomized</allocation>
    <intervention_model>Crossover Assignment</intervention_model>
    <primary_purpose>Supportive Care</primary_purpose>
    <masking>Double (Participant, Investigator)</masking>
  </study_design_info>
  <primary_outcome>
    <measure>Cups a day</measure>
    <time_frame>12 weeks</time_frame>
    <description>Cups:
- filled
- spilt</description>
  </primary_outcome>
  <secondary_outcome><measure>Sleep  quality</measure></secondary_outcome>
  <number_of_arms>2</number_of_arms>
  <enrollment type="Anticipated">120</enrollment>
  <condition>Fatigue</condition>
  <condition>Sleep Disorder</condition>
  <arm_group>
    <arm_group_label>I</arm_group_label>
    <arm_group_type>Active Comparator</arm_group_type>
    <description>Drug A twice daily</description>
  </arm_group>
  <arm_group><arm_group_label>II</arm_group_label><arm_group_type>No Intervention</arm_group_type></arm_group>
  <intervention>
    <intervention_type>Dietary Supplement</intervention_type>
    <intervention_name>Drug A</intervention_name>
    <description>5 mg</description>
    <arm_group_label>I</arm_group_label>
    <other_name>A-1</other_name>
    <other_name>Aspirinol</other_name>
  </intervention>
  <eligibility>
    <criteria><textblock>
        Inclusion Criteria:

          -  People of 18 years or more who work in a place where coffee is made and drunk all day
             long

               -  and who sleep badly

          1. Able to consent

        Exclusion Criteria:

          -  Weight &gt; 150 kg
    </textblock></criteria>
    <gender>All</gender>
    <minimum_age>6 Months</minimum_age>
    <maximum_age>N/A</maximum_age>
    <healthy_volunteers>Accepts Healthy Volunteers</healthy_volunteers>
  </eligibility>
  <location_countries><country>France</country><country>Chad</country></location_countries>
  <study_first_submitted>May 4, 2015</study_first_submitted>
  <last_update_submitted>August 17, 2016</last_update_submitted>
  <keyword>coffee</keyword>
  <keyword>sleep</keyword>
  <condition_browse>
    <!-- CAUTION:  The following MeSH terms are assigned with an imperfect algorithm            -->
    <mesh_term>Fatigue</mesh_term>
  </condition_browse>
  <intervention_browse><mesh_term>Caffeine</mesh_term></intervention_browse>
  <clinical_results>
    <outcome_list>
      <outcome>
        <type>Primary</type>
        <title>Cups a day</title>
        <analysis_list>
          <analysis>
            <non_inferiority_type>Superiority or Other (legacy)</non_inferiority_type>
            <p_value>&lt;0.001</p_value>
            <method>ANCOVA</method>
          </analysis>
        </analysis_list>
      </outcome>
      <outcome>
        <type>Secondary</type>
        <analysis_list><analysis><p_value>0.9</p_value></analysis></analysis_list>
      </outcome>
    </outcome_list>
  </clinical_results>
</clinical_study>
"""

STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "NCT09000001",
            "briefTitle": "Drug A & Drug B in Café Workers",
            "officialTitle": "A Randomized Trial of Drug A",
        },
        "statusModule": {
            "overallStatus": "ACTIVE_NOT_RECRUITING",
            "startDateStruct": {"date": "2015-06"},
            "primaryCompletionDateStruct": {"date": "2017-06-05", "type": "ACTUAL"},
            "completionDateStruct": {"date": "2018-12-31", "type": "ESTIMATED"},
            "studyFirstSubmitDate": "2015-05-04",
            "lastUpdateSubmitDate": "2016-08-17",
        },
        "sponsorCollaboratorsModule": {"leadSponsor": {"name": "VA", "class": "FED"}},
        "descriptionModule": {
            "briefSummary": (
                "The purpose of this trial is to see whether drug A, given twice a day to people who work in "
                "cafés, is better than drug B.\n\nIt is not."
            ),
            "detailedDescription": (
                "OUTLINE: People are randomized to one of two arms \\[1:1\\].\n\nARM I: A\\<B"
            ),
        },
        "conditionsModule": {"conditions": ["Fatigue", "Sleep Disorder"], "keywords": ["coffee", "sleep"]},
        "designModule": {
            "studyType": "INTERVENTIONAL",
            "phases": ["PHASE1", "PHASE2"],
            "designInfo": {
                "allocation": "NON_RANDOMIZED",
                "interventionModel": "CROSSOVER",
                "primaryPurpose": "SUPPORTIVE_CARE",
                "maskingInfo": {"masking": "DOUBLE", "whoMasked": ["PARTICIPANT", "INVESTIGATOR"]},
            },
            "enrollmentInfo": {"count": 120, "type": "ESTIMATED"},
        },
        "armsInterventionsModule": {
            "armGroups": [
                {
                    "label": "I",
                    "type": "ACTIVE_COMPARATOR",
                    "description": "Drug A twice daily",
                    "interventionNames": ["Dietary Supplement: Drug A"],
                },
                {"label": "II", "type": "NO_INTERVENTION"},
            ],
            "interventions": [
                {
                    "type": "DIETARY_SUPPLEMENT",
                    "name": "Drug A",
                    "description": "5 mg",
                    "armGroupLabels": ["I"],
                    "otherNames": ["A-1", "Aspirinol"],
                }
            ],
        },
        "outcomesModule": {
            "primaryOutcomes": [
                {
                    "measure": "Cups a day",
                    "timeFrame": "12 weeks",
                    "description": "Cups:\n\n* filled\n* spilt",
                }
            ],
            "secondaryOutcomes": [{"measure": "Sleep quality"}],
        },
        "eligibilityModule": {
            "eligibilityCriteria": (
                "Inclusion Criteria:\n\n* People of 18 years or more who work in a place where coffee is "
                "made and drunk all day long\n\n  * and who sleep badly\n\n1. Able to consent\n\n"
                "Exclusion Criteria:\n\n* Weight \\> 150 kg"
            ),
            "healthyVolunteers": True,
            "sex": "ALL",
            "minimumAge": "6 Months",
        },
        "contactsLocationsModule": {
            "locations": [{"country": "France"}, {"country": "Chad"}, {"country": "France"}]
        },
    },
    "resultsSection": {
        "outcomeMeasuresModule": {
            "outcomeMeasures": [
                {
                    "type": "PRIMARY",
                    "analyses": [
                        {
                            "nonInferiorityType": "SUPERIORITY_OR_OTHER_LEGACY",
                            "pValue": "<0.001",
                            "statisticalMethod": "ANCOVA",
                        }
                    ],
                },
                {"type": "SECONDARY", "analyses": [{"pValue": "0.9"}]},
            ]
        }
    },
    "derivedSection": {
        "conditionBrowseModule": {"meshes": [{"id": "D1", "term": "Fatigue"}]},
        "interventionBrowseModule": {"meshes": [{"id": "D2", "term": "Caffeine"}]},
    },
    "hasResults": True,
}


def xml_record(nct_id: str = "NCT09000001", **replaced: str) -> bytes:
    """The made record under another id; each keyword is an XML tag whose first text is replaced."""
    text = XML.replace("NCT09000001", nct_id)
    for tag, value in replaced.items():
        start = text.index(f"<{tag}")
        opened = text.index(">", start) + 1
        text = text[:opened] + value + text[text.index(f"</{tag}>", opened) :]
    return text.encode()


def study_record(nct_id: str = "NCT09000001", **replaced: Any) -> dict[str, Any]:
    """The made study under another id; each keyword is `module__key` of its protocol section."""
    study = copy.deepcopy(STUDY)
    study["protocolSection"]["identificationModule"]["nctId"] = nct_id
    for place, value in replaced.items():
        module, _, key = place.partition("__")
        study["protocolSection"][module][key] = value
    return study


def study_text(nct_id: str = "NCT09000001", **replaced: Any) -> bytes:
    """The made study as JSON."""
    return json.dumps(study_record(nct_id, **replaced)).encode()
