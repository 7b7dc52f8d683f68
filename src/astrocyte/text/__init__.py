"""From text to index terms: words, stems, stop words."""
