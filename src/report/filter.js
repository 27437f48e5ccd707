(()=>{const form=document.getElementById('filter'),rows=[...document.getElementById('records').tBodies[0].rows],
cell=(row,n)=>row.cells[n].textContent,
pick=(name,n)=>{const list=form.elements[name];
for(const value of[...new Set(rows.map(row=>cell(row,n)))].sort()){const option=document.createElement('option');option.value=option.textContent=value;list.append(option)}
return row=>!list.value||cell(row,n)===list.value},
tests=[pick('decision',3),pick('tool',4),row=>row.textContent.toLowerCase().includes(form.elements.text.value.toLowerCase())],
show=()=>{let shown=0;for(const row of rows){row.hidden=!tests.every(test=>test(row));shown+=!row.hidden}
form.elements.shown.value=shown+' of '+rows.length+' shown'};
form.oninput=show;form.onsubmit=event=>event.preventDefault();form.hidden=false;show()})();
