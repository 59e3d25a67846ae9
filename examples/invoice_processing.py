"""Values and citations out of 100 invoices, ten a provider job, three jobs side by side, at most $5.

python make_invoices.py && cd invoices && python ../invoice_processing.py

With ANTHROPIC_BASE_URL at the address of `packmule sim serve` it needs no key and costs nothing.
"""

from typing import List, Optional  # noqa: UP035 - as brief 4 writes it

from pydantic import BaseModel

from packmule import BatchManager


class InvoiceItem(BaseModel):
    description: str
    quantity: int
    unit_price: float
    total: float


class Invoice(BaseModel):
    invoice_number: str
    company_name: str
    total_amount: float
    items: List[InvoiceItem]  # noqa: UP006 - as brief 4 writes it
    tax_rate: Optional[float] = None  # noqa: UP045 - as brief 4 writes it


fake_invoices = [f"invoice_{i:03d}.pdf" for i in range(1, 101)]

manager = BatchManager(
    files=fake_invoices,
    prompt="Extract invoice data with line items",
    model="claude-3-haiku-20240307",
    response_model=Invoice,
    enable_citations=True,
    items_per_job=10,  # Process 10 invoices per job
    max_parallel_jobs=3,
    max_cost=5.0,
    state_path="invoice_processing.json",
    save_results_dir="invoice_results/",
)

results = manager.run(print_progress=True)

for invoice, citations in zip(results, results.citations, strict=True):
    if invoice is not None:
        places = citations["total_amount"]
        where = f"page {places[0].page}: {places[0].text!r}" if places else "nowhere in the document"
        print(f"{invoice.invoice_number}  {invoice.company_name}  {invoice.total_amount:.2f}  ({where})")
