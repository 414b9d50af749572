"""Arrays in, scores out: data sets, features, networks, bundles, evaluation."""
