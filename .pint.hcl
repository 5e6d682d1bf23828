# pint (github.com/cloudflare/pint) over the generated rules: `pint --offline lint alerting/rules prometheus/rules`.
# tests/plumbline_alerting/test_linters.py runs it where it is installed. Every exception has its reason here.

checks {
  disabled = [
    # Matchers are generated from lists of the catalogue's names. A list of one makes "=~" where "=" would do; both
    # mean the same and cost the same, and the rules keep one shape whatever the catalogue declares.
    "promql/regexp",
    # A long window is summed from the tiles of a shorter one, and each window is a group of its own, so that a slow
    # one delays no other (docs/adr, DESIGN section 6). Reading a tile that is one interval old is what is meant.
    "rule/dependency",
  ]
}

rule {
  match {
    # The dead-man's switch fires always: its absence is the alarm.
    name = "Watchdog"
  }
  disable = ["alerts/comparison"]
}

rule {
  match {
    # Fires while another alert does; the condition is in that alert.
    name = "ModelInputBroken"
  }
  disable = ["alerts/comparison"]
}

rule {
  match {
    # Pages about a model. pint fills every printf of a template with the word "pint", a number's place too, so it
    # cannot read "@ %.3f"; tests/plumbline_alerting/test_templates.py has promtool fill in and run these queries.
    name = "Model.*Critical|ModelTrafficLost|FeatureBroken"
  }
  disable = ["alerts/template"]
}

rule {
  match {
    # Standard errors of the binned ROC-AUC and of canary trials. pint knows a recorded value by its name alone, and
    # another rule of that name divides without a guard that pint sees. The value read here, metric="roc_auc", is
    # divided by pairs > 0, and the effective rows of a trial by counts > 0; the roots are of clamp_min(..., 0)
    # (tests/plumbline_alerting/test_standard_errors.py, alerting/tests/CanaryWorse.yml).
    name = "slice:ml_quality:stderr_.+|model:ml_trial_difference:stderr_.+"
  }
  disable = ["promql/nan"]
}

rule {
  match {
    # topk picks one owner of a version where two exporters do not agree, and ranks nothing: of equal values
    # Prometheus keeps the first, in the order in which it holds the series. tests/plumbline_alerting/
    # test_conditions.py has such exporters, and sees each alert under one owner only.
    name = "ModelTrafficLost|BaselineMissing"
  }
  disable = ["promql/fragile"]
}
