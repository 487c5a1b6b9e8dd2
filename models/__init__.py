"""How likely is a lead to convert, why, and what should happen? Estimators, calibration, reasons, the bundle, the policy."""
